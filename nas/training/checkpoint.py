"""Checkpoints: weights, and the blueprint of their network."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from nas.training.blueprint import Blueprint
from nas.training.errors import CheckpointError
from search_spaces.ops import GenotypeError

FORMAT = "fusion-nas/checkpoint/1"


@dataclass(frozen=True)
class Checkpoint:
    """A blueprint and the state of its training.

    Attributes:
        blueprint: the trained detector.
        config: the settings, as JSON.
        epoch: number of epochs trained.
        state: weights, and the optimiser's and schedule's state for resumption.
        inputs: fingerprints of the training's inputs, by name; empty in checkpoints of version 0.1.
    """

    blueprint: Blueprint
    config: str
    epoch: int
    state: dict[str, Any]
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the file atomically."""
        part = path.with_name(path.name + ".part")
        document = {
            "format": FORMAT,
            "blueprint": self.blueprint.to_json(),
            "config": self.config,
            "epoch": self.epoch,
            "state": self.state,
            "inputs": json.dumps(dict(self.inputs)),
        }
        torch.save(document, part)
        part.replace(path)

    @staticmethod
    def load(path: Path) -> "Checkpoint":
        """Read a checkpoint without executing code from it.

        Raises:
            CheckpointError: no such file, or not a checkpoint of this format.
        """
        try:
            raw = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise CheckpointError(f"{path}: no such file") from None
        except UnpicklingError:  # torch's own message advises to execute the file's code
            raise CheckpointError(
                f"{path}: not a checkpoint: it is not a file of torch.save with tensors alone"
            ) from None
        except (OSError, RuntimeError, EOFError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise CheckpointError(f"{path}: not a checkpoint: {reason}") from None
        if not isinstance(raw, dict) or raw.get("format") != FORMAT:
            raise CheckpointError(f"{path}: not a checkpoint of format {FORMAT!r}")
        try:
            return Checkpoint(
                Blueprint.from_json(raw["blueprint"]),
                str(raw["config"]),
                int(raw["epoch"]),
                dict(raw["state"]),
                json.loads(raw.get("inputs", "{}")),
            )
        except (KeyError, TypeError, ValueError, GenotypeError) as error:
            raise CheckpointError(f"{path}: damaged checkpoint: {error}") from None

    def restore(self) -> nn.Module:
        """The trained detector, in evaluation mode, with averaged weights if the recipe has them.

        Raises:
            CheckpointError: the weights do not fit the blueprint.
        """
        model = self.blueprint.build()
        try:
            model.load_state_dict(self.state.get("average") or self.state["model"])
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"the weights do not fit the genotype: {error}") from None
        return model.eval()
