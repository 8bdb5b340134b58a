"""Small data sets in COCO format, with hooks that introduce faults."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Document = dict[str, Any]
Change = Callable[[str, Document], object]
"""Edits the document of a split, "train" or "val", in place."""

COLOURS = ((220, 40, 40), (40, 220, 40), (40, 40, 220))


def write_set(
    root: Path,
    *,
    images: int = 4,
    size: tuple[int, int] = (96, 80),
    ids: Sequence[int] = (1, 2, 3),
    change: Change | None = None,
) -> Path:
    """Write `train.json`, `val.json` and `images/`: two squares per image, in one of three colours, on noise.

    Args:
        root: directory of the data set; created if missing.
        images: number of images per split.
        size: width and height of an image, px.
        ids: ids of the three categories, one per colour.
        change: edits each document before it is written.
    """
    (root / "images").mkdir(parents=True, exist_ok=True)
    for split in ("train", "val"):
        rng = np.random.default_rng(len(split))
        document: Document = {"images": [], "annotations": [], "categories": []}
        document["categories"] = [{"id": key, "name": f"colour {key}"} for key in ids]
        for image_id in range(1, images + 1):
            name = f"{split}_{image_id}.png"
            pixels = rng.integers(90, 130, (size[1], size[0], 3), dtype=np.uint8)
            document["images"].append({"id": image_id, "file_name": name, "width": size[0], "height": size[1]})
            for _ in range(2):
                side = int(rng.integers(min(size) // 6, min(size) // 2))
                x, y = int(rng.integers(size[0] - side)), int(rng.integers(size[1] - side))
                colour = int(rng.integers(3))
                pixels[y : y + side, x : x + side] = COLOURS[colour]
                key = len(document["annotations"]) + 1
                document["annotations"].append(_square(key, image_id, ids[colour], x, y, side))
            Image.fromarray(pixels).save(root / "images" / name)
        if change:
            change(split, document)
        (root / f"{split}.json").write_text(json.dumps(document))
    return root


def _square(key: int, image_id: int, category: int, x: int, y: int, side: int) -> dict[str, Any]:
    corners = [x, y, x + side, y, x + side, y + side, x, y + side]
    return {
        "id": key,
        "image_id": image_id,
        "category_id": category,
        "bbox": [x, y, side, side],
        "area": side * side,
        "iscrowd": 0,
        "segmentation": [corners],
    }


def edit_annotations(**fields: Callable[[dict[str, Any]], object]) -> Change:
    """A change that sets fields of every annotation: field name -> function of the annotation."""

    def change(split: str, document: Document) -> None:
        for annotation in document["annotations"]:
            annotation.update({name: make(annotation) for name, make in fields.items()})

    return change
