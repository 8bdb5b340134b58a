"""Resumption of a training: only of the same one; otherwise an error names the differences."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nas.data.fingerprint import changes
from nas.training.blueprint import Blueprint
from nas.training.checkpoint import Checkpoint
from nas.training.errors import CheckpointError
from nas.training.trainer import Trainer
from search_spaces.naming import dotted

_FREE = ("epochs", "cache_gib", "workers", "data", "digits", "network", "detector", "image_size", "backbone_weights")
"""Settings that may change, or are compared by their result, a blueprint or a fingerprint."""


def resume(path: Path, found: Checkpoint, wanted: Checkpoint, trainer: Trainer, say: Callable[[str], None]) -> int:
    """Load a checkpoint into the trainer, if it belongs to the requested training.

    Args:
        path: the checkpoint's file, for messages.
        found: the checkpoint.
        wanted: requested blueprint, settings, inputs and epochs, without a state.
        trainer: receives weights, optimiser and schedule.
        say: called with a sentence on how the training continues.

    Returns:
        The first epoch left to train, counted from 0.

    Raises:
        CheckpointError: the checkpoint is of another training; the message names every difference.
    """
    if different := list(_differences(found, wanted)):
        raise CheckpointError(
            f"{path} belongs to another training: {'; '.join(different)}. Give the same, or another --out"
        )
    planned = json.loads(found.config).get("epochs", wanted.epoch)
    trainer.load_state_dict(found.state)
    if wanted.epoch <= found.epoch:
        again = found.epoch + 1
        say(f"{path} is trained for {found.epoch} epochs already: it is only evaluated; --epochs {again} trains on")
    elif planned != wanted.epoch:
        say(
            f"{path} resumes after epoch {found.epoch}, for {wanted.epoch} epochs instead of {planned}: the learning "
            "rate follows the new schedule from here on"
        )
    if found.inputs and (changed := changes(found.inputs["val"], wanted.inputs["val"])):
        say(f"{path}: the validation set is not the one of before: {', '.join(changed)} differ")
    return found.epoch


def _differences(found: Checkpoint, wanted: Checkpoint) -> Iterator[str]:
    """The differences between two trainings, as `name is NEW, was OLD`."""
    yield from _blueprints(found.blueprint, wanted.blueprint)
    before, after = _settings(found), _settings(wanted)
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            yield f"{name} is {after[name]!r}, was {before[name]!r}"
    if not found.inputs:
        return
    if changed := changes(found.inputs["train"], wanted.inputs["train"]):
        yield f"the training set is not the one of before: {', '.join(changed)} differ"
    if found.inputs["backbone_weights"] != wanted.inputs["backbone_weights"]:
        yield "backbone_weights is a file of other content"


def _settings(checkpoint: Checkpoint) -> dict[str, object]:
    """Settings by dotted name, without the free ones; only names that both releases know are compared."""
    settings: dict[str, Any] = json.loads(checkpoint.config or "{}")
    return dict(dotted({name: value for name, value in settings.items() if name not in _FREE}))


def _blueprints(found: Blueprint, wanted: Blueprint) -> Iterator[str]:
    if found.genotype != wanted.genotype:
        yield f"the genotype has key {wanted.genotype.key()[:8]}, had {found.genotype.key()[:8]}"
    before, after = _sizes(found), _sizes(wanted)
    for name in before:
        if before[name] != after[name]:
            yield f"{name} is {after[name]!r}, was {before[name]!r}"
    if found.categories != wanted.categories:
        yield f"the {len(wanted.categories)} categories are not the {len(found.categories)} of before"


def _sizes(blueprint: Blueprint) -> dict[str, object]:
    sizes = {"scale": asdict(blueprint.scale), "detector": blueprint.detector.model_dump()}
    return dict(dotted({**sizes, "image_size": blueprint.image_size}))
