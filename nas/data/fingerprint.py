"""Fingerprints of data sets: they show whether a set has changed, and in which part."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import numpy as np

from nas.data.detection_set import DetectionSet

Fingerprints = dict[str, dict[str, str]]
"""Fingerprints of the sets "train" and "val"."""
_PARTS = {
    "categories": "the categories",
    "images": "the image files",
    "sizes": "the image sizes",
    "labels": "the categories of objects",
    "boxes": "the boxes",
    "truth": "the crowds or areas",
    "masks": "the masks",
}
"""Part of a fingerprint -> its content, in words."""


@runtime_checkable
class Fingerprinted(Protocol):
    """A loader of images that can fingerprint them."""

    def fingerprint(self) -> str:
        """A digest, equal for equal images."""
        ...


def fingerprint(data: DetectionSet) -> dict[str, str]:
    """Part of the set -> its count and digest. Folders and annotation ids are ignored, so that a set may be moved."""
    annotations = data.ground_truth["annotations"]
    # the part of the ground truth that no target holds
    truth = [(a["area"], *((a["category_id"], *a["bbox"]) if a["iscrowd"] else (0,) * 5)) for a in annotations]
    return {
        "categories": _entry(data.num_classes, json.dumps([[c.id, c.name] for c in data.categories]).encode()),
        "images": f"{len(data)} {data.load.fingerprint() if isinstance(data.load, Fingerprinted) else ''}".strip(),
        "sizes": _entry(len(data), np.array(data.sizes, np.int64).tobytes()),
        "labels": _entry(data.num_objects, *_arrays(data.labels)),
        "boxes": _entry(data.num_objects, *_arrays(data.boxes)),
        "truth": _entry(len(truth), np.array(truth, np.float64).tobytes()),
        "masks": _entry(0 if data.segments is None else data.num_objects, _outlines(data)),
    }


def fingerprints(data: tuple[DetectionSet, DetectionSet]) -> Fingerprints:
    """The fingerprints of a training and a validation set."""
    return {part: fingerprint(split) for part, split in zip(("train", "val"), data, strict=True)}


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The parts in which two fingerprints differ, in words; a part that one of them lacks is not compared."""
    found = []
    for part, words in _PARTS.items():
        if part in before and part in after and before[part] != after[part]:
            (old, *_), (new, *_) = before[part].split(" "), after[part].split(" ")
            found.append(f"{words} ({old} before, {new} now)" if old != new else words)
    return found


def digest(parts: Iterable[bytes]) -> str:
    """BLAKE2b digest of the concatenated parts, 16 hexadecimal digits."""
    total = hashlib.blake2b(digest_size=8)
    for part in parts:
        total.update(part)
    return total.hexdigest()


def _entry(count: int, *parts: bytes) -> str:
    return f"{count} {digest(parts)}"


def _arrays(of_images: Iterable[Any]) -> Iterable[bytes]:
    for array in of_images:
        yield len(array).to_bytes(4, "little")
        yield array.tobytes()


def _outlines(data: DetectionSet) -> bytes:
    segments = chain.from_iterable(data.segments or ())
    return json.dumps(list(segments)).encode() if data.segments is not None else b""
