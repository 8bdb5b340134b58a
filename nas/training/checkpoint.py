"""Checkpoints: weights, and all that is needed to build the network they belong to."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from nas.cost import cost, require_memory
from nas.data.depth import ValueRange
from nas.data.detection_set import Category
from nas.detectors import DetectorConfig, build_detector
from search_spaces.genotype import Genotype, Scale
from search_spaces.ops import GenotypeError

FORMAT = "fusion-nas/checkpoint/1"


class CheckpointError(ValueError):
    """A file is no checkpoint of ours, or does not fit; the message names the file and the fix."""


@dataclass(frozen=True)
class Blueprint:
    """What a trained detector is, apart from its weights.

    Attributes:
        genotype: its topology.
        scale: its size.
        detector: how it reads its outputs.
        image_size: side of the letterboxed images it was trained on, px.
        categories: what its labels mean.
        values: range that images of more than 8 bits are scaled from, as those it was trained on.
    """

    genotype: Genotype
    scale: Scale
    detector: DetectorConfig
    image_size: int
    categories: tuple[Category, ...]
    values: ValueRange | None = None

    def build(self) -> nn.Module:
        """The detector with fresh weights.

        Raises:
            GenotypeError: the scale does not suit the genotype, or this machine's memory.
        """
        count = len(self.categories)
        require_memory(cost(self.genotype, self.scale, image_size=self.image_size, num_classes=count))
        return build_detector(self.genotype, self.scale, len(self.categories), self.detector)

    def to_json(self) -> str:
        document = {
            "genotype": json.loads(self.genotype.to_json()),
            "scale": asdict(self.scale),
            "detector": self.detector.model_dump(),
            "image_size": self.image_size,
            "categories": [asdict(category) for category in self.categories],
            "values": self.values and asdict(self.values),
        }
        return json.dumps(document)

    @staticmethod
    def from_json(document: str) -> "Blueprint":
        raw = json.loads(document)
        return Blueprint(
            genotype=Genotype.from_json(json.dumps(raw["genotype"])),
            scale=Scale(**raw["scale"]),
            detector=DetectorConfig.model_validate(raw["detector"]),
            image_size=int(raw["image_size"]),
            categories=tuple(Category(int(c["id"]), str(c["name"])) for c in raw["categories"]),
            values=ValueRange(**raw["values"]) if raw.get("values") else None,
        )


@dataclass(frozen=True)
class Checkpoint:
    """A blueprint and the state of its training.

    Attributes:
        blueprint: what is trained.
        config: the settings, as JSON.
        epoch: how many epochs it was trained for.
        state: weights, and what a continued training needs beside them.
        inputs: fingerprints of what it was trained on, by name; empty in checkpoints of version 0.1.
    """

    blueprint: Blueprint
    config: str
    epoch: int
    state: dict[str, Any]
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
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
        """Read a checkpoint; nothing in it is executed.

        Raises:
            CheckpointError: no such file, or not a checkpoint of this format.
        """
        try:
            raw = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise CheckpointError(f"{path}: no such file") from None
        except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
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
        """The trained detector, in evaluation mode, with averaged weights if it was trained so.

        Raises:
            CheckpointError: the weights do not fit the blueprint.
        """
        model = self.blueprint.build()
        try:
            model.load_state_dict(self.state.get("average") or self.state["model"])
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"the weights do not fit the genotype: {error}") from None
        return model.eval()
