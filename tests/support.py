"""What tests share."""

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]


OFFICIAL_ASFF = {
    "yolov3": "yolov3_baseline",
    "yolov3-rfb": "yolov3_baseline+rfb",
    "yolov3-asff": "yolov3_asff",
    "yolov3-asff-rfb": "yolov3_asff+rfb",
    "yolov3-mobilenetv2": "mobilev2_baseline",
    "yolov3-mobilenetv2-asff": "mobilev2_asff",
}
"""Zoo entry -> its name in `facts/asff.json`."""


def shared_data() -> Path:
    """The folder that holds `data/`, `facts/` and `fixtures/`: FUSION_NAS_DATA, or `shared` beside the repository.

    Skips the calling test where there is none.
    """
    folder = Path(os.environ.get("FUSION_NAS_DATA") or _ROOT.parent / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"needs shared data, and {folder} has none; set FUSION_NAS_DATA")
    return folder
