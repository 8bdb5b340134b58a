"""Scenes of small and large handwritten digits, composed on demand: data without a download."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from nas.data.detection_set import Category, DetectionSet, FloatArray, UInt8Array
from nas.data.digits.backdrop import backdrop, tint
from nas.data.digits.glyphs import Glyphs, Part, load_glyphs
from nas.data.fingerprint import digest

# ids start at 1 as in COCO, so that they differ from labels
CATEGORIES = tuple(Category(id=digit + 1, name=str(digit)) for digit in range(10))

_PART_KEYS: dict[Part, int] = {"train": 0, "val": 1}
_TRIES = 64
_OVERLAP = 0.1
"""Largest fraction of a box that another one may cover."""


class DigitsConfig(BaseModel):
    """Settings of the composed digit scenes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_size: int = Field(96, ge=16, description="px on a side of the square scenes")
    train_images: int = Field(512, ge=1)
    val_images: int = Field(128, ge=1)
    min_side: int = Field(16, ge=8, description="longer side of the smallest digits, px")
    max_side: int = Field(64, ge=8, description="longer side of the largest digits, px")
    max_digits: int = Field(7, ge=2, description="most digits in a scene")
    clutter: float = Field(0.0, ge=0, le=1, description="0: bright digits on dark; 1: pale ones, colour, distractors")
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> "DigitsConfig":
        if not self.min_side <= self.max_side <= self.image_size - self.min_side:
            raise ValueError(
                f"min_side {self.min_side} and max_side {self.max_side} must be in order, and fit side by side "
                f"into image_size {self.image_size}"
            )
        return self


@dataclass(frozen=True, eq=False)
class Scenes:
    """Composed scenes, by position."""

    images: UInt8Array
    """(N, S, S, 3) RGB."""

    def __call__(self, position: int) -> UInt8Array:
        # a copy, since callers augment in place
        return np.array(self.images[position])

    def fingerprint(self) -> str:
        """A digest of all pixels."""
        return digest([self.images.tobytes()])


@dataclass(frozen=True, eq=False)
class _Scene:
    image: UInt8Array
    boxes: FloatArray
    labels: tuple[int, ...]


def digits(config: DigitsConfig) -> tuple[DetectionSet, DetectionSet]:
    """Compose the training and validation sets; the same config composes the same pixels.

    A scene is one digit of `max_side`, one of `min_side`, and others of up to half of `max_side`, as far as they
    fit: boxes, tight around the ink, cover at most a tenth of each other. A scene depends only on the config, its
    split and its position. Each split has its own writers: see `load_glyphs`.
    """
    return _compose("train", config.train_images, config), _compose("val", config.val_images, config)


def _compose(part: Part, count: int, config: DigitsConfig) -> DetectionSet:
    glyphs = load_glyphs(part)
    scenes = [_scene(part, position, glyphs, config) for position in range(count)]
    sizes = ((config.image_size, config.image_size),) * count
    return DetectionSet(
        name=f"digits/{part}",
        categories=CATEGORIES,
        image_ids=tuple(range(1, count + 1)),
        sizes=sizes,
        boxes=tuple(scene.boxes for scene in scenes),
        labels=tuple(np.array(scene.labels, np.int64) for scene in scenes),
        ground_truth=_document(scenes, config.image_size),
        shuffled=True,
        load=Scenes(np.stack([scene.image for scene in scenes])),
    )


def _scene(part: Part, position: int, glyphs: Glyphs, config: DigitsConfig) -> _Scene:
    rng = np.random.default_rng((config.seed, _PART_KEYS[part], position))
    canvas = backdrop(config.image_size, config.clutter, rng)
    boxes = np.empty((0, 4), np.float32)
    labels: list[int] = []
    for side in _sides(config, rng):
        # the large digit cycles through the categories, so that ten scenes hold all of them
        label = int(rng.integers(10)) if labels else position % 10
        opacity = glyphs.draw(glyphs.pick(label, rng), side)
        if (box := _place(opacity.shape, boxes, config.image_size, rng)) is not None:
            _paint(canvas, opacity, box, config.clutter, rng)
            boxes = np.concatenate([boxes, box[None]])
            labels.append(label)
    return _Scene((canvas.clip(0, 1) * 255).round().astype(np.uint8), boxes, tuple(labels))


def _sides(config: DigitsConfig, rng: np.random.Generator) -> list[int]:
    """Longer sides of a scene's digits, px: both extremes, then others, log-uniform to half the largest."""
    others = rng.integers(min(2, config.max_digits - 2), config.max_digits - 2, endpoint=True)
    low, high = np.log(config.min_side), np.log(max(config.min_side, config.max_side // 2))
    return [
        config.max_side,
        config.min_side,
        *np.exp(rng.uniform(low, high, others)).round().astype(int).tolist(),
    ]


def _place(shape: tuple[int, ...], boxes: FloatArray, size: int, rng: np.random.Generator) -> FloatArray | None:
    """Find a free position for (h, w) among `boxes` (N, 4): x1 y1 x2 y2, or None after `_TRIES` tries."""
    extent = np.array([shape[1], shape[0]])
    corners = rng.integers(0, size - extent, (_TRIES, 2), endpoint=True)
    tries = np.concatenate([corners, corners + extent], axis=1).astype(np.float32)
    free = (_covered(tries, boxes) <= _OVERLAP).all(1)
    return tries[free.argmax()] if free.any() else None


def _covered(first: FloatArray, second: FloatArray) -> FloatArray:
    """(N, 4), (M, 4) -> (N, M): the intersection as a fraction of the smaller box."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    smaller = np.minimum(_areas(first)[:, None], _areas(second)[None, :])
    covered: FloatArray = (high - low).clip(0).prod(2) / smaller
    return covered


def _areas(boxes: FloatArray) -> FloatArray:
    areas: FloatArray = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return areas


def _paint(canvas: FloatArray, opacity: FloatArray, box: FloatArray, clutter: float, rng: np.random.Generator) -> None:
    """Blend a digit's ink into the canvas, in place; more clutter makes it paler and more colourful."""
    x1, y1, x2, y2 = box.astype(int)
    ink = (1 - 0.4 * clutter) * rng.uniform(0.85, 1) * tint(0.7 * clutter, rng)
    patch = canvas[y1:y2, x1:x2]
    patch += opacity[..., None] * (ink - patch)


def _document(scenes: Sequence[_Scene], size: int) -> dict[str, Any]:
    """Ground truth of the scenes, in COCO's format."""
    annotations: list[dict[str, Any]] = []
    for image_id, scene in enumerate(scenes, start=1):
        for (x1, y1, x2, y2), label in zip(scene.boxes.tolist(), scene.labels, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": CATEGORIES[label].id,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                }
            )
    return {
        "info": {"description": "scenes of handwritten digits"},
        "images": [{"id": i, "width": size, "height": size} for i in range(1, len(scenes) + 1)],
        "annotations": annotations,
        "categories": [{"id": category.id, "name": category.name} for category in CATEGORIES],
    }
