"""Targets of a batch, as padded tensors and as torchvision's list of dicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

Target = dict[str, Tensor]
"""torchvision's target: boxes (M, 4) xyxy px, labels (M,) and, if requested, masks (M, S, S)."""


@dataclass(frozen=True, eq=False)
class Targets(Sequence[Target]):
    """The objects of N images, padded to the M of the fullest one; reads as torchvision's list.

    Attributes:
        boxes: (N, M, 4) xyxy px, M at least 1; zeros as padding.
        labels: (N, M); zeros as padding.
        counts: objects per image, on the host.
        masks: (M_i, S, S) of each image, if requested.
    """

    boxes: Tensor
    labels: Tensor
    counts: tuple[int, ...]
    masks: tuple[Tensor, ...] | None = None

    @staticmethod
    def of(targets: Sequence[Target]) -> "Targets":
        """Pad torchvision's list of dicts."""
        if isinstance(targets, Targets):
            return targets
        counts = tuple(len(t["boxes"]) for t in targets)
        room = targets[0]["boxes"].new_zeros(1, 4), targets[0]["labels"].new_zeros(1)
        # an extra row, so that M is at least 1 if all images are empty
        boxes, labels = (
            pad_sequence([*(t[name] for t in targets), empty], batch_first=True)[:-1]
            for name, empty in zip(("boxes", "labels"), room, strict=True)
        )
        return Targets(boxes, labels.long(), counts)

    def __len__(self) -> int:
        return len(self.counts)

    @overload
    def __getitem__(self, position: int) -> Target: ...
    @overload
    def __getitem__(self, position: slice) -> list[Target]: ...
    def __getitem__(self, position: int | slice) -> Target | list[Target]:
        if isinstance(position, slice):
            return [self[i] for i in range(*position.indices(len(self)))]
        count = self.counts[position]
        target = {"boxes": self.boxes[position, :count], "labels": self.labels[position, :count]}
        return target if self.masks is None else {**target, "masks": self.masks[position]}
