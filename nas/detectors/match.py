"""Which point of the pyramid answers for which object (FCOS, arXiv 1904.01355, sections 3.1 and 3.2)."""

import torch
from torch import Tensor


def match_points(anchors: Tensor, points_per_level: list[int], boxes: Tensor, radius: float) -> Tensor:
    """The object of every point, as torchvision's FCOS assigns it, for a whole batch in one pass.

    A point answers for the smallest object that contains it, whose centre is within `radius` units of it, and whose
    farthest side is 4 to 8 units away (no lower bound at the finest level, no upper bound at the coarsest).

    Args:
        anchors: (P, 4) squares around the points, their side the unit of the level; finest level first.
        points_per_level: how many points each level has.
        boxes: (N, M, 4) objects of each image, xyxy pixels; one without an area is none.
        radius: of centre sampling, in units.

    Returns:
        (N, P) index into the image's objects, -1 for none.
    """
    x0, y0, x1, y1 = boxes.unsqueeze(1).unbind(-1)  # (N, 1, M)
    unit = (anchors[:, 2] - anchors[:, 0])[:, None]
    x, y = ((anchors[:, :2] + anchors[:, 2:]) / 2).unsqueeze(1).unbind(-1)  # (P, 1)
    sides = torch.stack((x - x0, y - y0, x1 - x, y1 - y))  # (4, N, P, M)
    low, high = unit * 4, unit * 8
    low[: points_per_level[0]] = 0
    high[-points_per_level[-1] :] = torch.inf
    nearest, farthest = sides.amin(0), sides.amax(0)
    off_centre = torch.maximum((x - (x0 + x1) / 2).abs(), (y - (y0 + y1) / 2).abs())
    fits = (off_centre < radius * unit) & (nearest > 0) & (farthest > low) & (farthest < high)
    area = torch.where(fits, (x1 - x0) * (y1 - y0), torch.inf)
    smallest, index = area.min(-1)
    return torch.where(smallest.isfinite(), index, -1)
