"""SpineNet (arXiv 1912.05027): backbones with their output convolutions, and whole detectors with RetinaNet's head.

The paper's FLOPs are multiply-adds, apparently of the whole graph: those of the convolutions, which we count, are 0.1
to 0.2 % lower. The multiply-adds of the convolutions in the official graphs equal ours exactly.
"""

from collections.abc import Callable, Iterator
from functools import cache

from experiments.published.count import of_zoo, parameters
from experiments.published.figure import Figure, billions, millions
from nas.cost import Cost, cost
from search_spaces.zoo import SCALES, SPINENET_CLASSES, zoo

BACKBONES = {"49s": 9_089_215, "49": 21_831_488, "96": 36_262_976, "143": 60_247_616, "190": 126_587_664}
"""Variant -> trainable parameters."""

DETECTORS = {
    ("49s", 640): (11_265_942, 30_778_541_175),
    ("49s-256", 640): (11_944_598, 33_745_248_375),
    ("49", 640): (28_543_383, 85_281_555_200),
    ("49", 896): (28_543_383, 167_151_848_192),
    ("96", 1024): (42_974_871, 265_024_356_352),
    ("143", 1280): (66_959_511, 523_337_600_000),
    ("190", 1280): (163_637_351, 1_881_659_539_200),
}
"""(variant, image size) -> (trainable parameters, multiply-adds of convolutions), official graphs, 91 classes."""
_GRAPH = "official graph, 91 classes"
PROXY = (512, 1_963_575, 5_841_681_408)
"""The search proxy of SpineNet-49 (section 3.2): (image size, parameters, multiply-adds)."""
_DESCRIBED = "counted from the paper's description: a quarter of widths and alpha, 64 output and head channels"

_WIDE = "49S was released with 128 output channels, too few for the printed number; we infer 256, which comes close"

MILLIONS: tuple[tuple[str, str, float, float, str], ...] = (
    ("49s-256", "", 12.0, 0.1, f"{_WIDE}, 12.01 with the norms' running statistics"),
    ("49s-256", ", model zoo", 11.9, 0, _WIDE),
    ("49", "", 28.5, 0, ""),
    ("96", "", 43.0, 0, ""),
    ("143", "", 66.9, 0.1, "printed as if truncated to one decimal; the model zoo rounds"),
    ("143", ", model zoo", 67.0, 0, "tf-models MODEL_ZOO"),
    ("190", "", 163.6, 0, ""),
)
"""(variant, source unless the paper, millions of parameters as printed, tolerance, note)."""

_LESS = "ours counts convolutions only; the printed profile appears to include norms and pooling"

BILLIONS: tuple[tuple[str, int, str, float, float, str], ...] = (
    ("49s-256", 640, "", 33.8, 0.1, f"{_WIDE}; {_LESS}"),
    ("49", 640, "", 85.4, 0.1, _LESS),
    ("49", 896, "", 167.4, 0.2, _LESS),
    ("96", 1024, "", 265.4, 0.4, _LESS),
    ("143", 1280, "", 524.4, 1.1, _LESS),
    ("143", 1280, ", model zoo", 524.0, 0.7, f"tf-models MODEL_ZOO; {_LESS}"),
    ("190", 1280, "", 1885.0, 3.3, _LESS),
)
"""(variant, image size, source unless the paper, billions of FLOPs as printed, tolerance, note)."""


def _backbone(variant: str) -> Callable[[], int]:
    entry = zoo(f"spinenet-{variant}")
    return lambda: parameters(entry.genotype, entry.scale)


def _parameters(variant: str) -> Callable[[], int]:
    return lambda: of_zoo(f"spinenet-{variant}").trainable_parameters


def _macs(variant: str, image_size: int) -> Callable[[], int]:
    return lambda: of_zoo(f"spinenet-{variant}", image_size).macs


@cache
def _proxy() -> Cost:
    genotype, image_size = zoo("spinenet-49").genotype, PROXY[0]
    return cost(genotype, SCALES["proxy"], image_size=image_size, num_classes=SPINENET_CLASSES)


def _figures() -> Iterator[Figure]:
    for variant, count in BACKBONES.items():
        yield Figure(
            "SpineNet", f"{variant} backbone, parameters", count, _backbone(variant), note="official graph, tf-models"
        )
    for (variant, image_size), (count, macs) in DETECTORS.items():
        row = f"{variant} with RetinaNet"
        if image_size == zoo(f"spinenet-{variant}").image_size:
            yield Figure("SpineNet", f"{row}, parameters", count, _parameters(variant), note=_GRAPH)
        name = f"{row} at {image_size} px, multiply-adds"
        yield Figure("SpineNet", name, macs, _macs(variant, image_size), note=_GRAPH)
    image_size, count, macs = PROXY
    row = "49's search proxy"
    yield Figure("SpineNet", f"{row}, parameters", count, lambda: _proxy().parameters, note=_DESCRIBED)
    name = f"{row} at {image_size} px, multiply-adds"
    yield Figure("SpineNet", name, macs, lambda: _proxy().macs, note=_DESCRIBED)
    for variant, source, printed, tolerance, note in MILLIONS:
        name = f"{variant} with RetinaNet, M parameters{source}"
        yield Figure("SpineNet", name, printed, _parameters(variant), millions(1), tolerance, note)
    for variant, image_size, source, printed, tolerance, note in BILLIONS:
        name = f"{variant} with RetinaNet at {image_size} px, B FLOPs{source}"
        yield Figure("SpineNet", name, printed, _macs(variant, image_size), billions(1), tolerance, note)


FIGURES = tuple(_figures())
