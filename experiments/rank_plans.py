"""Plans of rankings: what they compare, written as changes to the proxy that a search would use."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from experiments.errors import UsageError, faults
from proxies.config import ProxyConfig
from proxies.ranking import Plan
from proxies.short_train import ShortTrainConfig
from proxies.zero_cost import ZERO_COST

DEFAULT: dict[str, Any] = {
    # ten times the images of a search's proxy, in steps that are surer
    "reference": {
        "short_train": {
            "steps": 1280,
            "rungs": 4,
            "scale": {"head_depth": 4},
            "recipe": {"batch_size": 16, "learning_rate": 0.004},
        }
    },
    "settings": {
        **{f"steps-{n}": {"short_train": {"steps": n, "rungs": 1}} for n in (32, 64, 128, 192, 256)},
        **{
            f"steps-{n}-batch-4": {"short_train": {"steps": n, "rungs": 2, "recipe": {"batch_size": 4}}}
            for n in (64, 128, 256)
        },
        "slow": {"short_train": {"steps": 128, "rungs": 1, "recipe": {"learning_rate": 0.004}}},
        "size-64": {"short_train": {"steps": 128, "rungs": 1, "image_size": 64}},
        "width-1:16": {"short_train": {"steps": 128, "rungs": 1, "scale": {"width": 0.0625}}},
        "val-32": {"short_train": {"steps": 128, "rungs": 1, "val_images": 32}},
        **{name: {"zero_cost": {"scores": [name]}} for name in ZERO_COST},
        "fewest-gmacs": {"cost": {}, "seeds": 1},
    },
}


def read_plan(path: Path, base: ShortTrainConfig) -> Plan:
    """A plan from a JSON file of the shape of `DEFAULT`; its `base`, if it has one, changes all settings' base.

    Raises:
        UsageError: the file cannot be read or makes no plan; the message names the fields.
    """
    try:
        return build_plan(json.loads(path.read_bytes()), base)
    except OSError as error:
        raise UsageError(f"--plan {path}: {error.strerror}") from None
    except ValidationError as error:
        raise UsageError(f"--plan {path}: {faults(error)}") from None
    except ValueError as error:
        raise UsageError(f"--plan {path}: not JSON: {error}") from None


def build_plan(document: Any, base: ShortTrainConfig) -> Plan:
    """Spell a plan's changes out.

    Raises:
        ValidationError: a field is unknown, missing or illegal.
    """
    if not isinstance(document, dict):
        return Plan.model_validate(document)
    common = ShortTrainConfig.model_validate(_changed(base.model_dump(), document.get("base", {}))).model_dump()
    shared = {name: common[name] for name in ProxyConfig.model_fields}
    bases = {"short_train": common, "zero_cost": shared, "cost": shared}

    def whole(setting: Any) -> Any:
        if not isinstance(setting, dict):
            return setting
        return {name: _changed(bases.get(name), value) for name, value in setting.items()}

    plan = {"settings": {}} | {name: value for name, value in document.items() if name != "base"}
    settings = plan["settings"]
    if isinstance(settings, dict):
        plan["settings"] = {name: whole(setting) for name, setting in settings.items()}
    return Plan.model_validate({**plan, "reference": whole(plan.get("reference", {"short_train": {}}))})


def _changed(base: Any, changes: Any) -> Any:
    """`base` with some fields changed, also within its objects."""
    if not isinstance(base, dict) or not isinstance(changes, dict):
        return changes
    return {**base, **{name: _changed(base.get(name), value) for name, value in changes.items()}}
