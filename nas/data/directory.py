"""Read a directory of any format: check records and images, and make the two sets."""

from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.data.checks.annotations import BoolArray, clip, label, note_boxes, note_masks, note_repeats, settle_areas
from nas.data.checks.copies import shared_images
from nas.data.checks.images import ProgressCallback, examine_images
from nas.data.depth import ValueRange
from nas.data.detection_set import Category, DataError, DetectionSet, Diagnostic
from nas.data.diagnostics import Diagnostics, Kind, Severity
from nas.data.formats import FORMATS
from nas.data.formats.coco_document import Document, Record, read_document
from nas.data.formats.split import Split
from nas.data.images import ImageFiles, ImageFolder
from nas.data.masks import MALFORMED, UNMASKED, is_absent, mask_fault

_NOTHING = Kind("set without an object to train on or to score by", "annotate at least one object that is no crowd")
_SINGLE = Kind("a single image, which every batch repeats", "", Severity.warning)
_SHARED = Kind(
    "validation images that are training images as well, so that AP is too high", "drop them from one", Severity.warning
)


@dataclass(frozen=True)
class Examined:
    """Result of examining one split: the set, or None if it cannot be used; and all diagnostics."""

    name: str
    data: DetectionSet | None
    found: tuple[Diagnostic, ...]


def read_directory(root: Path) -> tuple[DetectionSet, DetectionSet]:
    """Read the training and validation sets of a directory.

    Its format is one of `FORMATS`. Images of more than 8 bits are scaled from the same value range in both sets.

    Raises:
        DataError: none of the formats, a split that `read_split` rejects, or splits of different categories.
    """
    train, val = _readings(root)
    val.read()  # first: it is smaller, so its errors appear sooner
    train.read()
    _compare(train, val)
    return train.usable(), val.usable()


def check_directory(root: Path, progress: ProgressCallback | None = None) -> tuple[Examined, Examined]:
    """Examine both sets of a directory in full: every image is opened, and errors are collected, not raised.

    Args:
        root: the directory.
        progress: called with (images opened, images to open) of each set.

    Raises:
        DataError: none of the formats.
    """
    readings = train, val = _readings(root)
    faults: dict[str, DataError] = {}
    for reading in readings:
        try:
            reading.read(every=True, progress=progress)
        except DataError as error:
            faults[reading.name] = error
    if not faults:
        _compare(train, val)
    return train.examined(faults.get(train.name)), val.examined(faults.get(val.name))


def read_val(root: Path) -> DetectionSet:
    """Read the validation set of a directory, which may lack a training set.

    Raises:
        DataError: none of the formats, or a split that `read_split` rejects.
    """
    return _readings(root)[1].read().usable()


def read_split(annotation_file: Path, image_dir: Path, *, name: str | None = None) -> DetectionSet:
    """Read one COCO file, in one pass, without decoding images.

    All files must exist and not be empty. In sets of up to 5,000 images every image is also opened, and must be
    complete and of the stated size; in larger sets a broken image raises when it is loaded.

    Boxes without a finite, positive width and height, and boxes that do not intersect their image, are left out.
    Boxes partly outside are clipped in the training targets, and unchanged in the ground truth. Crowds are in the
    ground truth only. Images without annotations are kept, as negatives. The set has masks if every remaining
    annotation has a well-formed one. `diagnostics` counts each of these cases, and suspicious findings.

    Raises:
        DataError: a document that `read_document` rejects; missing, broken or resized images; boxes as fractions of
            their image; no usable annotation. The message names all errors at once.
    """
    name = name or f"{annotation_file.parent.name}/{annotation_file.stem}"
    split = Split(annotation_file, image_dir, read_document)
    return _Reading(split, annotation_file.parent, name).read().usable()


def _readings(root: Path) -> tuple["_Reading", "_Reading"]:
    for kind in FORMATS.values():
        if found := kind.find(root):
            train, val = (
                _Reading(split, root, f"{root.resolve().name}/{part}")
                for split, part in zip(found, ("train", "val"), strict=True)
            )
            return train, val
    wanted = "; or ".join(kind.files for kind in FORMATS.values())
    raise DataError(f"{root} holds no annotations that are known: put {wanted} there")


class _Reading:
    """The state of reading one split.

    Args:
        split: files of the split.
        root: folder in which missing images are searched.
        name: name of the set.

    Attributes:
        diagnostics: diagnostics so far.
        images: the split's image files.
    """

    def __init__(self, split: Split, root: Path, name: str) -> None:
        self.split, self.root, self.name = split, root, name
        self.diagnostics = Diagnostics(split.annotations)
        self.images: ImageFiles
        self._data: DetectionSet

    def read(self, *, every: bool = False, progress: ProgressCallback | None = None) -> "_Reading":
        """Read annotations and examine images, all of them with `every`.

        Raises:
            DataError: the split cannot be used; the message names all errors at once.
        """
        document = self.split.read(self.split.annotations, self.diagnostics)
        self.images = examine_images(
            document["images"], self.split.images, self.root, self.diagnostics, every=every, progress=progress
        )
        self._data = _assemble(document, self.name, self.images.load, self.diagnostics)
        self.diagnostics.raise_errors()
        return self

    def usable(self) -> DetectionSet:
        """The set with its diagnostics.

        Raises:
            DataError: the set cannot be used; the message names the errors.
        """
        self.diagnostics.raise_errors()
        return replace(self._data, load=self.images.load, diagnostics=self.diagnostics.found)

    def examined(self, fault: DataError | None) -> Examined:
        """The result of reading, which ended with the error `fault` or None."""
        found = self.diagnostics.found
        if not any(one.severity == Severity.error for one in found):
            if fault is None:
                return Examined(self.name, self.usable(), found)
            found = (Diagnostic(self.diagnostics.file, Severity.error, str(fault), 1, str(fault)), *found)
        return Examined(self.name, None, found)

    @property
    def categories(self) -> tuple[Category, ...]:
        return self._data.categories

    def scale_as(self, values: ValueRange) -> None:
        """Scale images of more than 8 bits from this range."""
        self.images = replace(self.images, load=replace(self.images.load, values=values))


def _compare(train: _Reading, val: _Reading) -> None:
    """Record differing categories and shared images of both sets, and scale both from a common value range."""
    if train.categories != val.categories:
        odd = sorted({*train.categories} ^ {*val.categories}, key=lambda c: c.id)
        kind = Kind(
            f"categories in which {train.diagnostics.file} and {val.diagnostics.file} differ",
            "list the same ids and names in both",
        )
        train.diagnostics.add_all(kind, len(odd), [f"{c.name!r} (id {c.id})" for c in odd[:3]])
    train.diagnostics.add_all(_SINGLE, len(train.images.lengths) == 1)
    shared = shared_images(train.images, val.images)
    val.diagnostics.add_all(_SHARED, len(shared), shared[:3])
    if found := [r.images.load.values for r in (train, val) if r.images.load.values]:
        common = reduce(ValueRange.union, found)
        train.scale_as(common)
        val.scale_as(common)


def _assemble(document: Document, name: str, load: ImageFolder, diagnostics: Diagnostics) -> DetectionSet:
    images, annotations = document["images"], document["annotations"]
    categories = tuple(sorted((Category(c["id"], c["name"]) for c in document["categories"]), key=lambda c: c.id))
    sizes = tuple((image["height"], image["width"]) for image in images)
    position = {image["id"]: index for index, image in enumerate(images)}
    label_of = {category.id: index for index, category in enumerate(categories)}

    where = np.array([position[a["image_id"]] for a in annotations], np.int64)
    labels = np.array([label_of[a["category_id"]] for a in annotations], np.int64)
    crowd = np.array([a["iscrowd"] for a in annotations], bool)
    xywh = np.array([a["bbox"] for a in annotations], np.float64).reshape(-1, 4)
    limits = np.array(sizes, np.float64).reshape(-1, 2)[where]
    boxes = clip(xywh, limits)
    note_boxes(boxes, limits, crowd, annotations, diagnostics)
    note_repeats(np.stack((where, labels), 1), boxes, annotations, diagnostics)
    masked = _masked(annotations, boxes.kept, [sizes[i] for i in where], diagnostics)
    apart = note_masks(annotations, boxes.xywh, np.flatnonzero(masked & boxes.kept), diagnostics)
    settle_areas(annotations, boxes.xywh, np.zeros_like(masked) if apart else masked, diagnostics)

    target = np.flatnonzero(boxes.kept & ~crowd)
    target = target[np.argsort(where[target], kind="stable")]
    ends = np.bincount(where[target], minlength=len(images)).cumsum()[:-1]
    if not target.size:
        counts = f"{len(images)} images, {len(annotations)} annotations, {crowd.sum()} of them crowds"
        diagnostics.add(_NOTHING, counts)
    return DetectionSet(
        name=name,
        categories=categories,
        image_ids=tuple(position),
        sizes=sizes,
        boxes=tuple(np.split(boxes.inside[target], ends)),
        labels=tuple(np.split(labels[target], ends)),
        ground_truth={**document, "annotations": [annotations[i] for i in np.flatnonzero(boxes.kept)]},
        load=load,
        segments=_segments(annotations, np.split(target, ends)) if masked[boxes.kept].all() else None,
    )


def _masked(
    annotations: list[Record], kept: BoolArray, shapes: list[tuple[int, int]], diagnostics: Diagnostics
) -> BoolArray:
    """(N,) whether each annotation has a well-formed mask; records malformed masks, and absent ones if others exist."""
    masked = np.zeros(len(annotations), bool)
    absent = np.zeros(len(annotations), bool)
    for i, (annotation, shape) in enumerate(zip(annotations, shapes, strict=True)):
        segmentation = annotation.get("segmentation")
        if is_absent(segmentation):
            absent[i] = True
        elif fault := mask_fault(segmentation, shape):
            diagnostics.add(MALFORMED, f"{label(annotation, i)} {fault}")
        else:
            masked[i] = True
    if masked[kept].any():
        lacking = np.flatnonzero(absent & kept)
        diagnostics.add_all(UNMASKED, len(lacking), [label(annotations[i], i) for i in lacking[:3]])
    return masked


def _segments(annotations: list[Record], targets: list[NDArray[np.int64]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(annotations[i]["segmentation"] for i in of_image) for of_image in targets)
