"""DSA (arXiv 2012.07630): its attention and its object confidence on RetinaNet, and the RetinaNet baseline."""

from experiments.published.count import of_zoo
from experiments.published.figure import Figure

PLAIN, ATTENTIVE = "retinanet-r50-fpn", "retinanet-r50-fpn-dsa"


def _trained(name: str) -> int:
    return of_zoo(name).trainable_parameters


def _block() -> int:
    import torch

    from nas.ops.part.dsa import SelfAttention

    with torch.device("meta"):
        return sum(p.numel() for p in SelfAttention(256, 8).parameters())


FIGURES = (
    Figure(
        "RetinaNet",
        "R50 FPN, trainable parameters",
        37_743_348,
        lambda: _trained(PLAIN),
        note="mmdet, stem and first stage frozen",
    ),
    Figure("DSA", "one block of 256 channels, parameters", 82_241, _block, note="counted from the released code"),
    Figure(
        "DSA",
        "blocks of P4 to P7, both towers, parameters added to RetinaNet R50",
        657_928,
        lambda: _trained(ATTENTIVE) - _trained(PLAIN),
        note="counted from the released code",
    ),
    Figure(
        "DSA",
        "object confidence, parameters added to that",
        20_745,
        lambda: _trained(f"{ATTENTIVE}-conf") - _trained(ATTENTIVE),
        note="a 3x3 convolution of the class tower's 256 channels to 9 anchors, as in the released code",
    ),
)
