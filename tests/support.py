"""What tests share."""

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]


def shared_data() -> Path:
    """The folder that holds `data/`, `facts/` and `fixtures/`: FUSION_NAS_DATA, or `shared` beside the repository.

    Skips the calling test where there is none.
    """
    folder = Path(os.environ.get("FUSION_NAS_DATA") or _ROOT.parent / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"needs shared data, and {folder} has none; set FUSION_NAS_DATA")
    return folder
