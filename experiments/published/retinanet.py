"""RetinaNet with ResNets, the baselines of SpineNet (arXiv 1912.05027, Figure 1), with 91 classes.

As for SpineNet, printed FLOPs are multiply-adds of more operations than the convolutions that we count.
"""

from collections.abc import Callable, Iterator

from experiments.published.count import of_zoo
from experiments.published.figure import Figure, Rounding, billions, exact, millions
from search_spaces.zoo import zoo

NETWORKS: dict[str, tuple[int, float, Rounding]] = {
    "r50": (34_091_159, 96_880_198_400, exact),
    "r101": (53_083_287, 325.5912, billions(4)),
    "r152": (68_726_935, 629.9516, billions(4)),
}
"""ResNet -> (trainable parameters, multiply-adds of convolutions, their rounding), from the official graphs."""
MILLIONS = {"r50": 34.0}
BILLIONS: tuple[tuple[str, str, float, float], ...] = (
    ("r50", "", 96.8, 0.1),
    ("r50", ", model zoo", 97.0, 0.1),
    ("r101", "", 325.9, 0.3),
    ("r152", "", 630.5, 0.5),
)
"""(ResNet, source unless the paper, billions of FLOPs as printed, tolerance)."""
_GRAPH = "official graph, 91 classes"
_TRUNCATED = "34.09 M, printed as if truncated to one decimal"
_OTHER = "ours counts convolutions only; the printed profile appears to count more, and for R50 perhaps 90 classes"


def _parameters(resnet: str) -> Callable[[], int]:
    return lambda: of_zoo(f"retinanet-{resnet}-fpn-tpu").trainable_parameters


def _macs(resnet: str) -> Callable[[], int]:
    return lambda: of_zoo(f"retinanet-{resnet}-fpn-tpu").macs


def _figures() -> Iterator[Figure]:
    for resnet, (count, macs, rounding) in NETWORKS.items():
        unit = "multiply-adds" if rounding is exact else "G multiply-adds"
        yield Figure("RetinaNet", f"{_row(resnet)}, parameters", count, _parameters(resnet), note=_GRAPH)
        yield Figure("RetinaNet", f"{_row(resnet)}, {unit}", macs, _macs(resnet), rounding, note=_GRAPH)
    for resnet, printed in MILLIONS.items():
        name = f"{_row(resnet)}, M parameters"
        yield Figure("RetinaNet", name, printed, _parameters(resnet), millions(1), 0.1, _TRUNCATED)
    for resnet, source, printed, tolerance in BILLIONS:
        name = f"{_row(resnet)}, B FLOPs{source}"
        yield Figure("RetinaNet", name, printed, _macs(resnet), billions(1), tolerance, _OTHER)


def _row(resnet: str) -> str:
    name = f"{resnet}-fpn-tpu"
    return f"{name} at {zoo(f'retinanet-{name}').image_size} px"


FIGURES = tuple(_figures())
