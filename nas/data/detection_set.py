"""DetectionSet: the common form of every data source, on which training and evaluation depend."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import FusionNasError

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
UInt8Array = NDArray[np.uint8]


class DataError(FusionNasError):
    """Data cannot be used; the message names the file, the entry and the fix."""


@dataclass(frozen=True)
class Diagnostic:
    """A finding of reading a set.

    Attributes:
        file: the annotation file.
        severity: "error", "warning" or "note".
        what: the finding's kind.
        count: number of entries affected.
        text: a sentence or two for users: kind, count, first few entries, and the fix.
    """

    file: Path
    severity: str
    what: str
    count: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {self.severity}: {self.text}"


@dataclass(frozen=True)
class Category:
    """A class of objects; `id` is the file's own, neither necessarily 0-based nor contiguous."""

    id: int
    name: str


# eq=False: comparing arrays has no single truth value
@dataclass(frozen=True, eq=False)
class DetectionSet:
    """Images and their boxes. Pickles if `load` does."""

    name: str
    """Source of the set, e.g. "bccd/train"."""
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
    shuffled: bool = False
    """Whether the images are in random order already, so that the first ones are an unbiased sample."""
    diagnostics: tuple[Diagnostic, ...] = ()
    """Findings of reading the set: entries left out, changed, or probably wrong."""
    segments: tuple[tuple[Any, ...], ...] | None = None
    """COCO's `segmentation` of each target, in the order of `boxes`; None unless every annotation has a mask."""

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def num_classes(self) -> int:
        """Number of labels, without background."""
        return len(self.categories)

    @property
    def num_objects(self) -> int:
        """Number of training targets in all images."""
        return sum(map(len, self.labels))

    def under(self, categories: tuple[Category, ...]) -> "DetectionSet":
        """The same objects for a detector of these categories: labels become indices into them.

        Raises:
            DataError: `categories` lacks a category of the set.
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
        """Keep the first `n` images, or all if there are fewer; the ground truth is reduced to them.

        Raises:
            ValueError: `n` is less than 1.
        """
        if n < 1:
            raise ValueError(f"a subset of {self.name} needs at least one image, not {n}")
        if n >= len(self):
            return self
        return replace(self.select(range(n)), name=f"{self.name}[:{n}]")

    def draw(self, n: int) -> "DetectionSet":
        """Draw `n` images deterministically, in the set's order; all images if there are fewer.

        The draw covers every category that has objects, as far as `n` suffices, rare ones first. The other images are
        drawn uniformly from the whole set, independent of its order.

        Raises:
            ValueError: `n` is less than 1.
        """
        if self.shuffled or not 1 <= n < len(self):
            return self.subset(n)
        order = np.random.default_rng(0).permutation(len(self))
        place = np.argsort(order)
        chosen: set[int] = set()
        for holders in sorted(self._holders(), key=len):
            if len(chosen) < n and chosen.isdisjoint(holders.tolist()):
                chosen.add(int(holders[place[holders].argmin()]))
        rest = [int(i) for i in order if i not in chosen]
        drawn = sorted([*chosen, *rest[: n - len(chosen)]])
        return replace(self.select(drawn), name=f"{self.name}[{n} of {len(self)}]")

    def _holders(self) -> list[IntArray]:
        """Positions of the images of each category, without categories that have none."""
        images = np.repeat(np.arange(len(self)), [len(labels) for labels in self.labels])
        codes = np.unique(np.concatenate(self.labels) * len(self) + images)
        return np.split(codes % len(self), np.flatnonzero(np.diff(codes // len(self))) + 1) if codes.size else []

    def select(self, positions: Sequence[int]) -> "DetectionSet":
        """Keep the images at these positions, in this order; the ground truth is reduced to them."""
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
    """Loads a selection of another loader's images."""

    load: Callable[[int], UInt8Array]
    positions: tuple[int, ...]

    def __call__(self, position: int) -> UInt8Array:
        return self.load(self.positions[position])
