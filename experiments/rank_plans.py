"""Plans of rankings: what they compare, written as changes to the proxy that a search would use."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from experiments.errors import UsageError
from proxies.ranking import Plan
from proxies.short_train import ShortTrainConfig

Document = Mapping[str, Any]

DEFAULT: Document = {
    # four times as long as a search's proxy, scored at each quarter
    "reference": {"short_train": {"steps": 1280, "rungs": 4}},
    "settings": {
        **{f"steps-{n}": {"short_train": {"steps": n, "rungs": 1}} for n in (32, 40, 64, 80, 128, 160, 320)},
        "size-64": {"short_train": {"steps": 128, "rungs": 1, "image_size": 64}},
        "width-1:16": {"short_train": {"steps": 128, "rungs": 1, "scale": {"width": 0.0625}}},
        "val-32": {"short_train": {"steps": 128, "rungs": 1, "val_images": 32}},
    },
}


def read_plan(path: Path, base: ShortTrainConfig) -> Plan:
    """A plan from a JSON file of the shape of `DEFAULT`; its `base`, if it has one, changes all settings' base.

    Raises:
        UsageError: the file cannot be read or makes no plan; the message names the fields.
    """
    try:
        return build_plan(json.loads(path.read_text()), base)
    except OSError as error:
        raise UsageError(f"--plan {path}: {error.strerror}") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()[:3])
        raise UsageError(f"--plan {path}: {faults}") from None
    except (ValueError, AttributeError, TypeError) as error:
        raise UsageError(f"--plan {path}: {error}") from None


def build_plan(document: Document, base: ShortTrainConfig) -> Plan:
    """Spell a plan's changes out.

    Raises:
        ValidationError: a field is unknown, missing or illegal.
    """
    common = _changed(base.model_dump(), document.get("base", {}))

    def whole(setting: Document) -> Document:
        return {**setting, "short_train": _changed(common, setting.get("short_train", {}))}

    settings = {name: whole(setting) for name, setting in document.get("settings", {}).items()}
    rest = {name: value for name, value in document.items() if name != "base"}
    return Plan.model_validate({**rest, "reference": whole(document.get("reference", {})), "settings": settings})


def _changed(base: Document, changes: Document) -> Document:
    """`base` with some fields changed, also within its objects."""
    inner = {
        name: _changed(base[name], value) if isinstance(value, dict) and isinstance(base.get(name), dict) else value
        for name, value in changes.items()
    }
    return {**base, **inner}
