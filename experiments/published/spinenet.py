"""SpineNet (arXiv 1912.05027): backbones with their output convolutions, and whole detectors under RetinaNet's head.

The paper's FLOPs are multiply-adds, but apparently of the whole graph: convolutions, which are all that we count, lie
0.1 to 0.2 % below. Of convolutions alone, the official graphs hold as many as ours, to the unit.
"""

from collections.abc import Callable, Iterator
from functools import cache

from experiments.published.count import of_zoo, parameters
from experiments.published.figure import Figure, billions, millions
from nas.cost import Cost, cost
from search_spaces.zoo import SCALES, SPINENET_CLASSES, zoo

BACKBONES = {"49s": 9_089_215, "49": 21_831_488, "96": 36_262_976, "143": 60_247_616, "190": 126_587_664}
"""Trainable parameters by variant."""

DETECTORS = {
    ("49s", 640): (11_265_942, 30_778_541_175),
    ("49s-256", 640): (11_944_598, 33_745_248_375),
    ("49", 640): (28_543_383, 85_281_555_200),
    ("49", 896): (28_543_383, 167_151_848_192),
    ("96", 1024): (42_974_871, 265_024_356_352),
    ("143", 1280): (66_959_511, 523_337_600_000),
    ("190", 1280): (163_637_351, 1_881_659_539_200),
}
"""Trainable parameters and multiply-adds of convolutions by variant and image size, 91 classes: official graphs."""
_GRAPH = "official graph, 91 classes"
PROXY = (512, 1_963_575, 5_841_681_408)
"""The search's proxy of SpineNet-49 (section 3.2): image size, parameters, multiply-adds."""
_DESCRIBED = "counted from the paper's description: widths and alpha a quarter, 64 channels of output and head"

_WIDE = "49S was released with 128 output channels, too few for what is printed; with 256, our inference, it comes near"

MILLIONS: tuple[tuple[str, str, float, float, str], ...] = (
    ("49s-256", "", 12.0, 0.1, f"{_WIDE}, 12.01 with the norms' statistics"),
    ("49s-256", ", model zoo", 11.9, 0, _WIDE),
    ("49", "", 28.5, 0, ""),
    ("96", "", 43.0, 0, ""),
    ("143", "", 66.9, 0.1, "printed as if cut off after one decimal; the model zoo rounds"),
    ("143", ", model zoo", 67.0, 0, "tf-models MODEL_ZOO"),
    ("190", "", 163.6, 0, ""),
)
"""Variant, whose figure if not the paper's, millions of parameters as printed, tolerance, note."""

_LESS = "ours are convolutions alone; the printed profile appears to hold norms and pooling, too"

BILLIONS: tuple[tuple[str, int, str, float, float, str], ...] = (
    ("49s-256", 640, "", 33.8, 0.1, f"{_WIDE}; {_LESS}"),
    ("49", 640, "", 85.4, 0.1, _LESS),
    ("49", 896, "", 167.4, 0.2, _LESS),
    ("96", 1024, "", 265.4, 0.4, _LESS),
    ("143", 1280, "", 524.4, 1.1, _LESS),
    ("143", 1280, ", model zoo", 524.0, 0.7, f"tf-models MODEL_ZOO; {_LESS}"),
    ("190", 1280, "", 1885.0, 3.3, _LESS),
)
"""Variant, image size, whose figure if not the paper's, billions of FLOPs as printed, tolerance, note."""


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
    for variant, whose, printed, tolerance, note in MILLIONS:
        name = f"{variant} with RetinaNet, M parameters{whose}"
        yield Figure("SpineNet", name, printed, _parameters(variant), millions(1), tolerance, note)
    for variant, image_size, whose, printed, tolerance, note in BILLIONS:
        name = f"{variant} with RetinaNet at {image_size} px, B FLOPs{whose}"
        yield Figure("SpineNet", name, printed, _macs(variant, image_size), billions(1), tolerance, note)


FIGURES = tuple(_figures())
