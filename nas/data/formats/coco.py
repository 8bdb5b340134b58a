"""COCO's format, in the layouts of this project, of COCO itself, and of Roboflow's export."""

from pathlib import Path

from nas.data.formats.coco_document import read_document
from nas.data.formats.split import Format, Split

LAYOUTS = (
    (("train.json", "images"), ("val.json", "images")),
    (
        ("annotations/instances_train2017.json", "train2017"),
        ("annotations/instances_val2017.json", "val2017"),
    ),
    (("train/_annotations.coco.json", "train"), ("valid/_annotations.coco.json", "valid")),
)
"""(annotation file, folder of images) of the training and of the validation split."""


def coco_splits(root: Path) -> tuple[Split, Split] | None:
    """The splits of a directory in one of the layouts; None if it holds no annotations of any."""
    for layout in LAYOUTS:
        train, val = (Split(root / annotations, root / images, read_document) for annotations, images in layout)
        if train.annotations.exists() or val.annotations.exists():
            return train, val
    return None


COCO = Format(coco_splits, " or ".join(f"{train[0]} and {val[0]}" for train, val in LAYOUTS) + ", in COCO's format")
