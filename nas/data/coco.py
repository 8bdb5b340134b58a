"""Directories in COCO's format, COCO itself among them."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.data.coco_document import Document, Record, read_document
from nas.data.detection_set import Category, DataError, DetectionSet, FloatArray
from nas.data.images import HEADERS_UP_TO, ImageFolder, check_images
from nas.data.masks import is_mask
from nas.data.problems import Problems


class _Split(NamedTuple):
    annotations: str
    images: str


_LAYOUTS = (
    (_Split("train.json", "images"), _Split("val.json", "images")),
    (
        _Split("annotations/instances_train2017.json", "train2017"),
        _Split("annotations/instances_val2017.json", "val2017"),
    ),
)

_FAR = 1e9
"""px; no finite coordinate lies this far out, and products of smaller ones do not overflow."""

BoolArray = NDArray[np.bool_]


def read_coco(root: Path) -> tuple[DetectionSet, DetectionSet]:
    """Read the training and validation sets of a directory.

    It holds either `train.json`, `val.json` and `images/`, or, as COCO does,
    `annotations/instances_train2017.json`, `annotations/instances_val2017.json`, `train2017/` and `val2017/`.

    Raises:
        DataError: neither layout, a split that `read_split` refuses, or splits of different categories.
    """
    train_split, val_split = _layout(root)
    val = read_val(root)  # first: it is the smaller, so its errors show sooner
    name = f"{root.resolve().name}/train"
    train = read_split(root / train_split.annotations, root / train_split.images, name=name)
    if train.categories != val.categories:
        odd = sorted({*train.categories} ^ {*val.categories}, key=lambda c: c.id)
        named = ", ".join(f"{c.name!r} (id {c.id})" for c in odd[:5])
        raise DataError(
            f"{root / train_split.annotations} and {val_split.annotations} differ in {len(odd)} categories: {named}; "
            "list the same ids and names in both"
        )
    return train, val


def read_val(root: Path) -> DetectionSet:
    """Read the validation set of such a directory, whether or not there is a training set.

    Raises:
        DataError: neither layout, or a split that `read_split` refuses.
    """
    split = _layout(root)[1]
    return read_split(root / split.annotations, root / split.images, name=f"{root.resolve().name}/val")


def _layout(root: Path) -> tuple[_Split, _Split]:
    for layout in _LAYOUTS:
        if any((root / split.annotations).exists() for split in layout):
            return layout
    wanted = " nor ".join(" and ".join(split.annotations for split in layout) for layout in _LAYOUTS)
    raise DataError(f"{root} holds neither {wanted}; put the annotations there, in COCO's format")


def read_split(annotation_file: Path, image_dir: Path, *, name: str | None = None) -> DetectionSet:
    """Read one COCO file, in one pass, without decoding images.

    All files must exist and not be empty. Up to 5,000 images are also opened, and must be whole and of the
    stated size; in larger sets a broken image surfaces when it is loaded.

    Left out and counted in `skipped`: boxes without a finite, positive width and height ("empty"), and boxes
    that share no area with their image ("outside"). Boxes partly outside are "clipped" in the training targets,
    counted, and stay as they are in the ground truth. Crowds are in the ground truth alone. Images without
    annotations stay, as negatives. The set has masks if every annotation that is left has one; where some do not,
    they are counted ("unmasked").

    Raises:
        DataError: what `read_document` refuses; missing, broken or resized images; not one usable annotation.
    """
    document = read_document(annotation_file)
    images = document["images"]
    problems = Problems(annotation_file)
    check_images(images, image_dir, headers=len(images) <= HEADERS_UP_TO, problems=problems)
    problems.raise_any()
    data = _assemble(document, image_dir, name or f"{annotation_file.parent.name}/{annotation_file.stem}")
    if not data.num_objects:
        raise DataError(
            f"{annotation_file} has no usable annotation: of its {len(document['annotations'])}, "
            f"{len(data.ground_truth['annotations'])} are crowds, skipped are {data.skipped or 'none'}; "
            "annotate at least one object"
        )
    return data


def _assemble(document: Document, image_dir: Path, name: str) -> DetectionSet:
    images, annotations = document["images"], document["annotations"]
    categories = tuple(sorted((Category(c["id"], c["name"]) for c in document["categories"]), key=lambda c: c.id))
    sizes = tuple((image["height"], image["width"]) for image in images)
    position = {image["id"]: index for index, image in enumerate(images)}
    label = {category.id: index for index, category in enumerate(categories)}

    where = np.array([position[a["image_id"]] for a in annotations], np.int64)
    labels = np.array([label[a["category_id"]] for a in annotations], np.int64)
    crowd = np.array([a["iscrowd"] for a in annotations], bool)
    xywh = np.array([a["bbox"] for a in annotations], np.float64).reshape(-1, 4)
    limits = np.array(sizes, np.float64).reshape(-1, 2)[where]
    boxes, empty, outside, clipped = _clip(xywh, limits)

    kept = ~(empty | outside)
    target = np.flatnonzero(kept & ~crowd)
    reasons = {"empty": empty, "outside": outside, "clipped": clipped & ~crowd}
    skipped = {reason: int(struck.sum()) for reason, struck in reasons.items() if struck.any()}
    target = target[np.argsort(where[target], kind="stable")]
    ends = np.bincount(where[target], minlength=len(images)).cumsum()[:-1]
    masked = np.array([is_mask(a.get("segmentation"), sizes[i]) for a, i in zip(annotations, where, strict=True)], bool)
    if masked[kept].any() and not masked[kept].all():
        skipped["unmasked"] = int((kept & ~masked).sum())
    return DetectionSet(
        name=name,
        categories=categories,
        image_ids=tuple(position),
        sizes=sizes,
        boxes=tuple(np.split(boxes[target], ends)),
        labels=tuple(np.split(labels[target], ends)),
        ground_truth={**document, "annotations": [annotations[i] for i in np.flatnonzero(kept)]},
        # absolute, as it may be loaded from by processes that run elsewhere
        load=ImageFolder(image_dir.absolute(), tuple(image["file_name"] for image in images)),
        skipped=skipped,
        segments=_segments(annotations, np.split(target, ends)) if masked[kept].all() else None,
    )


def _segments(annotations: list[Record], targets: list[NDArray[np.int64]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(annotations[i]["segmentation"] for i in of_image) for of_image in targets)


def _clip(xywh: NDArray[np.float64], limits: NDArray[np.float64]) -> tuple[FloatArray, BoolArray, BoolArray, BoolArray]:
    """Boxes (N, 4) and their images' (height, width) (N, 2) -> x1 y1 x2 y2 inside; empty, outside, clipped.

    Judged in float32, in which they are trained on: a sliver that rounds to nothing is outside.
    """
    sound = np.concatenate([np.abs(xywh) < _FAR, xywh[:, 2:] > 0], axis=1)
    empty: BoolArray = np.logical_not(sound.all(1))
    xywh = np.where(empty[:, None], 0, xywh)
    corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1).astype(np.float32)
    boxes = np.clip(corners, 0, limits[:, [1, 0, 1, 0]].astype(np.float32))
    outside: BoolArray = ~empty & (boxes[:, 2:] <= boxes[:, :2]).any(1)
    clipped: BoolArray = ~empty & ~outside & (boxes != corners).any(1)
    return boxes, empty, outside, clipped
