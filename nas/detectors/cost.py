"""Cost formulas of the heads."""

from collections.abc import Sequence
from itertools import chain

from nas.detectors.config import DetectorConfig
from nas.ops.block.cost import branches_cost
from nas.ops.maps import MapSpec
from nas.ops.part.cost import pyramid_cost
from nas.ops.tally import Tally
from search_spaces.genotype import Scale
from search_spaces.ops import GenotypeError, Op

HEAD_GROUPS = 32
"""Groups of the norms in torchvision's FCOS towers."""
ANCHORS = 9
"""Anchors per pixel: three sizes times three aspect ratios."""
STATIC = 3
"""Static anchors per level, of published size."""
SLOTS = STATIC + 1
"""Outputs per cell: the static anchors, then the free anchor, initially a square of four strides."""
RATIOS = (0.5, 1.0, 2.0)
BOX_SIZE = 7
"""Side of the regions pooled for boxes, px of their level."""
MASK_SIZE = 14
"""Side of the regions pooled for masks, px of their level; a mask's side is twice as long."""
IOUS = (0.5, 0.6, 0.7)


def fcos_cost(head: Op, maps: Sequence[MapSpec], num_classes: int, tally: Tally) -> None:
    """Cost of attentions, towers and outputs; levels share the weights of towers and outputs.

    Raises:
        GenotypeError: as `build_fcos`.
    """
    channels, pixels = maps[0].channels, sum(tally.pixels(m.level) for m in maps)
    require_groups(channels, tally.scale)
    for outputs in ((num_classes,), (4, 1)):
        for attention in head["attention"]:
            pyramid_cost(attention, maps, tally)
        for _ in range(tally.scale.head_depth):
            tally.conv(channels, channels, pixels, kernel=3, bias=True, norm=True)
        for number in outputs:
            tally.conv(channels, number, pixels, kernel=3, bias=True)
    tally.write(num_classes + 5, pixels, copies=2)  # per level, and concatenated


def require_groups(channels: int, scale: Scale) -> None:
    if channels % HEAD_GROUPS:
        near = max(HEAD_GROUPS, round(channels / HEAD_GROUPS) * HEAD_GROUPS)
        raise GenotypeError(
            f"scale.output_width: {channels} is not a multiple of {HEAD_GROUPS}, as an fcos head needs: use {near}"
        )
    if scale.head_width not in (None, channels):
        raise GenotypeError(f"scale.head_width: an fcos head keeps the output width {channels}: leave it unset")


def retinanet_cost(head: Op, maps: Sequence[MapSpec], num_classes: int, tally: Tally) -> None:
    """Cost of attentions, towers and outputs; levels share the weights of towers and outputs, but not norms."""
    channels, pixels = maps[0].channels, sum(tally.pixels(m.level) for m in maps)
    width = (tally.scale.head_width or channels) if tally.scale.head_depth else channels
    per_anchor = ((num_classes, 1) if head["confidence"] else (num_classes,), (4,))
    for outputs in per_anchor:
        for attention in head["attention"]:
            pyramid_cost(attention, maps, tally)
        tower_cost(channels, width, pixels, len(maps), tally, normed=head["norm"] == "batch")
        for number in outputs:
            tally.conv(width, ANCHORS * number, pixels, kernel=3, bias=True)
    tally.write(ANCHORS * sum(chain(*per_anchor)), pixels, copies=2)  # per level, and concatenated


def tower_cost(channels: int, width: int, pixels: int, levels: int, tally: Tally, *, normed: bool) -> None:
    """Cost of a tower on maps of `pixels` pixels in total."""
    for i in range(tally.scale.head_depth):
        tally.conv(width if i else channels, width, pixels, kernel=3, bias=True)
        if normed:
            tally.weights(2 * width * levels)
            tally.write(width, pixels)


def yolov3_cost(head: Op, maps: Sequence[MapSpec], num_classes: int, tally: Tally) -> None:
    """Cost of the head.

    Raises:
        GenotypeError: as `build_yolov3`.
    """
    levels, widths = zip(*((m.level, m.channels) for m in maps), strict=True)
    require_fit(head, tally.scale, levels, widths)
    head_cost(head, maps, num_classes, tally)


def require_fit(head: Op, scale: Scale, levels: Sequence[int], widths: Sequence[int]) -> None:
    if scale.head_width is not None:
        raise GenotypeError("scale.head_width: a yolov3 head keeps the widths of the outputs: leave it unset")
    for level, width in zip(levels, widths, strict=True):
        if head["deformable"] and width % SLOTS:
            raise GenotypeError(
                f"scale.width: the output of level {level} has {width} channels; a deformable yolov3 head "
                f"needs a multiple of {SLOTS}: choose a width that makes it {max(SLOTS, width - width % SLOTS)}"
            )


def head_cost(op: Op, maps: Sequence[MapSpec], classes: int, tally: Tally) -> None:
    """Cost of the heads of all levels."""
    for channels, pixels in ((m.channels, tally.pixels(m.level)) for m in maps):
        tally.conv(channels, 2 * SLOTS, pixels, bias=True)
        if op["rfb"]:
            branches_cost(channels, channels, pixels, tally)
        if op["deformable"]:
            with tally.kept():
                tally.conv(2 * SLOTS, 2 * 9 * SLOTS, pixels, groups=SLOTS, bias=True)
                tally.conv(channels, channels, pixels, kernel=3, bias=True)
        tally.conv(channels, SLOTS * (5 + classes), pixels, bias=True)
    tally.write(
        SLOTS * (7 + classes), sum(tally.pixels(m.level) for m in maps), copies=2
    )  # per level, and concatenated


def faster_rcnn_cost(head: Op, maps: Sequence[MapSpec], num_classes: int, tally: Tally) -> None:
    """Cost of both stages."""
    proposals_cost(maps, tally)
    boxes_cost(maps[0].channels, num_classes, num_classes, tally)


def mask_rcnn_cost(head: Op, maps: Sequence[MapSpec], num_classes: int, tally: Tally) -> None:
    """Cost of both stages; masks are predicted for `max_detections` regions.

    Raises:
        GenotypeError: as `build_mask_rcnn`.
    """
    require_depth(tally.scale)
    faster_rcnn_cost(head, maps, num_classes, tally)
    channels, pixels = maps[0].channels, DetectorConfig().max_detections * MASK_SIZE**2
    width = tally.scale.head_width or channels
    tally.write(channels, pixels)
    with tally.kept():
        for i in range(tally.scale.head_depth):
            tally.conv(width if i else channels, width, pixels, kernel=3, bias=True)
        with tally.kept():
            tally.conv(width, 4 * width, pixels)  # transposed, to twice the side; the bias follows
            tally.weights(width)
            tally.conv(width, num_classes, 4 * pixels, bias=True)


def require_depth(scale: Scale) -> None:
    if not scale.head_depth:
        raise GenotypeError("scale.head_depth: mask_rcnn needs at least one convolution: use 1 or more")


def cascade_rcnn_cost(head: Op, maps: Sequence[MapSpec], num_classes: int, tally: Tally) -> None:
    """Cost of all stages."""
    proposals_cost(maps, tally)
    for _ in IOUS:
        boxes_cost(maps[0].channels, num_classes, 1, tally)


def proposals_cost(maps: Sequence[MapSpec], tally: Tally) -> None:
    """Cost of the proposal network; levels share its weights."""
    channels, pixels = maps[0].channels, sum(tally.pixels(m.level) for m in maps)
    tally.conv(channels, channels, pixels, kernel=3, bias=True)
    for per_anchor in (1, 4):
        tally.conv(channels, per_anchor * len(RATIOS), pixels, bias=True)


def boxes_cost(channels: int, classes: int, boxes: int, tally: Tally) -> None:
    """Cost of the box head on `proposals` regions, with `boxes` boxes per region.

    The regions, pooled from maps of `channels` channels, are live throughout.
    """
    regions, hidden = DetectorConfig().proposals, region_width(channels, tally.scale)
    tally.write(channels * BOX_SIZE**2, regions)
    with tally.kept():
        for read in (channels * BOX_SIZE**2, hidden):
            tally.linear(read, hidden, regions)
            tally.write(hidden, regions)  # its activation
        tally.linear(hidden, classes + 1, regions)
        tally.linear(hidden, 4 * boxes, regions)


def region_width(channels: int, scale: Scale) -> int:
    return 4 * (scale.head_width or channels)
