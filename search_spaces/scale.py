"""Scale: the size at which a genotype is built."""

from dataclasses import dataclass

from search_spaces.ops import GenotypeError, short

MAX_WIDTH = 8192


@dataclass(frozen=True, slots=True)
class Scale:
    """The size at which a topology is built.

    SpineNet-49S/49/96/143/190 are one genotype at five scales (SpineNet, arXiv 1912.05027, section 3.3); a proxy builds
    the same genotype at a small scale.

    Attributes:
        width: multiplies every node width, truncated as the official code does.
        repeats: multiplies every block's repeats.
        alpha: fraction of the width kept inside a SpineNet edge.
        output_width: channels of the nodes whose width is None, outputs included.
        head_width: channels inside the head; None means the output width.
        head_depth: convolutions in each tower of the head.
        stem: multiplies the stem's width; 1 in the published scales.
        anchor_base: side of the smallest anchors in strides; None means the head's own value.
    """

    width: float = 1.0
    repeats: int = 1
    alpha: float = 0.5
    output_width: int = 256
    head_width: int | None = None
    head_depth: int = 4
    stem: float = 1.0
    anchor_base: float | None = None

    def __post_init__(self) -> None:
        bounds: dict[str, tuple[type[int] | type[float], float, float]] = {
            "width": (float, 1 / 64, 16),
            "repeats": (int, 1, 16),
            "alpha": (float, 1 / 64, 4),
            "output_width": (int, 1, MAX_WIDTH),
            "head_width": (int, 1, MAX_WIDTH),
            "head_depth": (int, 0, 16),
            "stem": (float, 1 / 64, 16),
            "anchor_base": (float, 0.25, 64),
        }
        for name, (kind, low, high) in bounds.items():
            value = getattr(self, name)
            if name in ("head_width", "anchor_base") and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, kind)) or not low <= value <= high:
                what = "a whole number" if kind is int else "a number"
                raise GenotypeError(f"scale.{name}: {short(value)} is not {what} in {low:g} .. {high:g}")

    def channels(self, width: int | None) -> int:
        """Channels built for a node width, before the block's expansion."""
        return self.output_width if width is None else max(1, int(width * self.width))
