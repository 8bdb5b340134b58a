"""Blueprints: the definition of a trained detector without its weights."""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from nas.cost import cost, require_memory
from nas.data.depth import ValueRange
from nas.data.detection_set import Category
from nas.detectors import DetectorConfig, build_detector
from search_spaces.genotype import Genotype, Scale

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Blueprint:
    """The definition of a trained detector without its weights.

    Attributes:
        genotype: the topology.
        scale: the size.
        detector: settings of the detector around the backbone.
        image_size: side of the letterboxed training images, px.
        categories: meaning of the labels.
        values: value range of the training images of more than 8 bits, from which others are scaled too.
    """

    genotype: Genotype
    scale: Scale
    detector: DetectorConfig
    image_size: int
    categories: tuple[Category, ...]
    values: ValueRange | None = None

    def build(self) -> "nn.Module":
        """The detector with newly initialised weights.

        Raises:
            GenotypeError: the scale does not suit the genotype, or exceeds this machine's memory.
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
