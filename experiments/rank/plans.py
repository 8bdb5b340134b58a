"""Plans of rankings: the settings to compare, written as changes to the proxy of a search."""

import json
import math
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from experiments.errors import UsageError, faults
from nas.training.recipe import Recipe
from proxies.config import ProxyConfig, ShortTrainConfig
from proxies.ranking.plan import Plan, proxy_by_kind
from proxies.registry import DEFAULT, PROXIES
from proxies.zero_cost import ZERO_COST
from search_spaces.genotype import Scale


def default_plan(base: ShortTrainConfig) -> Plan:
    """The proxy of a search, cheaper variants of it, and all zero-cost scores.

    The reference trains on ten times the images, at the default batch size and rate, with a head of full depth.
    """
    steps, recipe, default = base.steps, base.recipe, Recipe()
    long = math.ceil(10 * steps * recipe.batch_size / default.batch_size)
    slower = default.model_dump(include={"batch_size", "learning_rate"})
    full_head = {"head_depth": Scale().head_depth}
    short = {"steps": steps // 2, "rungs": 1}
    document = {
        "reference": {"short_train": {"steps": long, "rungs": 4, "scale": full_head, "recipe": slower}},
        "settings": {
            "search": {"short_train": {}},
            **{f"steps-{n}": {"short_train": {"steps": n, "rungs": 1}} for n in (steps // 8, steps // 4, steps // 2)},
            "batch-double": {"short_train": {**short, "recipe": {"batch_size": 2 * recipe.batch_size}}},
            "slow": {"short_train": {**short, "recipe": {"learning_rate": recipe.learning_rate / 2}}},
            "average-8": {"short_train": {**short, "recipe": {"average": 8}}},
            "small": {"short_train": {**short, "image_size": 2 * base.image_size // 3}},
            "narrow": {"short_train": {**short, "scale": {"width": base.scale.width / 2}}},
            "val-32": {"short_train": {**short, "val_images": 32}},
            **{name: {"zero_cost": {"scores": [name]}} for name in ZERO_COST},
            "fewest-gmacs": {"cost": {}, "seeds": 1},
        },
    }
    return build_plan(document, base)


def read_plan(path: Path, base: ShortTrainConfig) -> Plan:
    """Read a plan from a JSON file, in the form of `default_plan`; an optional `base` changes the base of all settings.

    Raises:
        UsageError: the file cannot be read or is not a plan; the message names the fields.
    """
    try:
        return build_plan(json.loads(path.read_bytes()), base)
    except OSError as error:
        raise UsageError(f"--plan {path}: {error.strerror}") from None
    except ValidationError as error:
        fields = faults(error).replace(".proxy.", ".")  # a plan names the kind alone
        raise UsageError(f"--plan {path}: {fields}") from None
    except ValueError as error:
        raise UsageError(f"--plan {path}: not JSON: {error}") from None


def build_plan(document: Any, base: ShortTrainConfig) -> Plan:
    """Apply a plan's changes to their bases.

    Raises:
        ValidationError: a field is unknown, missing or invalid.
    """
    if not isinstance(document, dict):
        return Plan.model_validate(document)
    common = ShortTrainConfig.model_validate(_changed(base.model_dump(), document.get("base", {}))).model_dump()
    shared = {name: common[name] for name in ProxyConfig.model_fields if name != "kind"}
    bases = dict.fromkeys(PROXIES, shared) | {DEFAULT: common}

    def completed(setting: Any) -> Any:
        if not isinstance(setting, dict):
            return setting
        setting = proxy_by_kind(setting)
        match setting.get("proxy"):
            case {"kind": str(kind), **changes}:
                return {**setting, "proxy": _changed({"kind": kind, **bases.get(kind, {})}, changes)}
        return setting

    plan = {"settings": {}} | {name: value for name, value in document.items() if name != "base"}
    settings = plan["settings"]
    if isinstance(settings, dict):
        plan["settings"] = {name: completed(setting) for name, setting in settings.items()}
    return Plan.model_validate({**plan, "reference": completed(plan.get("reference", {"short_train": {}}))})


def _changed(base: Any, changes: Any) -> Any:
    """`base` with some fields changed, recursively in nested objects."""
    if not isinstance(base, dict) or not isinstance(changes, dict):
        return changes
    return {**base, **{name: _changed(base.get(name), value) for name, value in changes.items()}}
