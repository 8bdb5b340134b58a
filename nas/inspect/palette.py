"""The colours and glyphs of a drawn genotype."""

from collections.abc import Mapping
from types import MappingProxyType

INK, FAINT, OUTPUT, PART = "#1f2933", "#6b7280", "#c2255c", "#862e9c"
BLOCKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "bottleneck": ("#a9c8ec", "#2f5d8c"),
        "residual": ("#fbc98e", "#a8641a"),
        "conv": ("#b7dfb9", "#3c7a43"),
        "separable": ("#d3e8d4", "#3c7a43"),
        "darknet": ("#e3d2b0", "#7a5c1e"),
        "inverted": ("#c9d9a3", "#5f7a1e"),
        "spp": ("#f3b9c6", "#9c3a52"),
        "rfb": ("#d5c3ec", "#62409c"),
        "dropblock": ("#eceef1", "#6b7280"),
        "none": ("#ffffff", "#6b7280"),
    }
)
"""Fill and rim by block."""
STEM = ("#dfe3e8", "#6b7280")
FUSES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "sum": ("+", "#ffffff", INK),
        "fast": ("w", "#ffd43b", INK),
        "asff": ("α", "#0b7285", "#ffffff"),
        "attention": ("σ", "#862e9c", "#ffffff"),
        "concat": ("‖", INK, "#ffffff"),
    }
)
"""Glyph, fill and ink by fuse operator."""
WAYS: Mapping[int, str] = MappingProxyType({1: "#2f6db3", -1: "#d9480f", 0: "#868e96"})
"""Colour of an arrow to a coarser level, to a finer one, and along a level."""
