"""DetectionSet: what every source of data is read into, and all that training and evaluation know of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
UInt8Array = NDArray[np.uint8]


class DataError(ValueError):
    """Data cannot be used as it is; the message names the file, the entry and the fix."""


@dataclass(frozen=True)
class Category:
    """A class of objects; `id` is the file's own, which need be neither 0-based nor contiguous."""

    id: int
    name: str


# eq=False: comparing arrays has no single truth value
@dataclass(frozen=True, eq=False)
class DetectionSet:
    """Images and the boxes in them. Pickles, as long as `load` does."""

    name: str
    """Where it is from, e.g. "bccd/train"."""
    categories: tuple[Category, ...]
    """Sorted by id; a label is an index into it."""
    image_ids: tuple[int, ...]
    """The file's own ids, by position."""
    sizes: tuple[tuple[int, int], ...]
    """(height, width) of each stored image, px."""
    boxes: tuple[FloatArray, ...]
    """Training targets of each image: (M, 4) float32, x1 y1 x2 y2 in px, inside the image, no crowds."""
    labels: tuple[IntArray, ...]
    """(M,) int64 of each image, 0-based and contiguous."""
    ground_truth: Mapping[str, Any]
    """The COCO document pycocotools scores against: crowds included, `id`, `area` and `iscrowd` filled in."""
    load: Callable[[int], UInt8Array]
    """Position -> (H, W, 3) uint8 RGB. Raises `DataError` for an image that does not decode."""
    skipped: Mapping[str, int]
    """Reason -> how many annotations it struck while reading."""
    segments: tuple[tuple[Any, ...], ...] | None = None
    """COCO's `segmentation` of each target, in the order of `boxes`; None unless every annotation has a mask."""

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def num_classes(self) -> int:
        """How many labels there are, background not counted."""
        return len(self.categories)

    @property
    def num_objects(self) -> int:
        """How many training targets all images hold together."""
        return sum(map(len, self.labels))

    def under(self, categories: tuple[Category, ...]) -> "DetectionSet":
        """The same objects for a detector of other categories: a label is an index into these.

        Raises:
            DataError: the set has a category that they lack.
        """
        place = {category: index for index, category in enumerate(categories)}
        if unknown := [category for category in self.categories if category not in place]:
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            raise DataError(
                f"{self.name} has the category {unknown[0].name!r} (id {unknown[0].id}){more}, which the detector does "
                "not know: give data like its own"
            )
        label = np.array([place[category] for category in self.categories], np.int64)
        return replace(self, categories=categories, labels=tuple(label[of_image] for of_image in self.labels))

    def subset(self, n: int) -> "DetectionSet":
        """Keep the first `n` images, or all if there are fewer; the ground truth shrinks along.

        Raises:
            ValueError: `n` is less than 1.
        """
        if n < 1:
            raise ValueError(f"a subset of {self.name} needs at least one image, not {n}")
        if n >= len(self):
            return self
        return replace(self.select(range(n)), name=f"{self.name}[:{n}]")

    def select(self, positions: Sequence[int]) -> "DetectionSet":
        """Keep the images at these positions, in this order; the ground truth shrinks along."""
        image_ids = tuple(self.image_ids[i] for i in positions)
        kept = set(image_ids)
        truth = {
            **self.ground_truth,
            "images": [i for i in self.ground_truth["images"] if i["id"] in kept],
            "annotations": [a for a in self.ground_truth["annotations"] if a["image_id"] in kept],
        }
        return replace(
            self,
            image_ids=image_ids,
            sizes=tuple(self.sizes[i] for i in positions),
            boxes=tuple(self.boxes[i] for i in positions),
            labels=tuple(self.labels[i] for i in positions),
            segments=self.segments and tuple(self.segments[i] for i in positions),
            ground_truth=truth,
            load=_Selection(self.load, tuple(positions)),
        )


@dataclass(frozen=True, eq=False)
class _Selection:
    """Loads some of the images that another loader knows."""

    load: Callable[[int], UInt8Array]
    positions: tuple[int, ...]

    def __call__(self, position: int) -> UInt8Array:
        return self.load(self.positions[position])
