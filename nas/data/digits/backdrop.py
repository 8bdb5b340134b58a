"""Backdrops of digit scenes: texture, tint, and distractor strokes."""

import numpy as np
from PIL import Image, ImageDraw

from nas.data.detection_set import FloatArray

_BLOTCHES = 12
"""Blotches along a side of the texture."""
_MOST_STROKES = 12


def backdrop(size: int, clutter: float, rng: np.random.Generator) -> FloatArray:
    """Paint a (size, size, 3) backdrop, 0..1: nearly black at `clutter` 0, bright and busy at 1."""
    blotches = _smooth(rng.random((_BLOTCHES, _BLOTCHES), np.float32), size)
    grain = rng.random((size, size), np.float32)
    gray = 0.02 + (0.10 + 0.35 * clutter) * blotches + (0.03 + 0.07 * clutter) * grain
    scene = gray[..., None] * tint(0.7 * clutter, rng)
    return _draw_strokes(scene.astype(np.float32), round(_MOST_STROKES * clutter), rng)


def tint(strength: float, rng: np.random.Generator) -> FloatArray:
    """A random colour, (3,): white at `strength` 0, more saturated towards 1; its brightest channel is 1."""
    colour = 1 - strength * rng.random(3, np.float32)
    return np.asarray(colour / colour.max(), np.float32)


def _smooth(coarse: FloatArray, size: int) -> FloatArray:
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC), np.float32)


def _draw_strokes(scene: FloatArray, strokes: int, rng: np.random.Generator) -> FloatArray:
    """Draw `strokes` curved strokes, as bright as pale digits."""
    if not strokes:
        return scene
    size = len(scene)
    image = Image.fromarray((scene.clip(0, 1) * 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(strokes):
        x, y = rng.integers(-size // 4, size, 2)
        wide, high = rng.integers(size // 8, size // 2, 2)
        start = int(rng.integers(360))
        colour = tuple(int(c) for c in 255 * rng.uniform(0.3, 0.7) * tint(0.7, rng))
        sweep = (start, start + int(rng.integers(30, 120)))
        pen.arc((int(x), int(y), int(x + wide), int(y + high)), *sweep, fill=colour, width=int(rng.integers(1, 4)))
    return (np.asarray(image) / 255).astype(np.float32)
