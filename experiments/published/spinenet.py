"""SpineNet (arXiv 1912.05027): backbones with their output convolutions, as the official graphs count them."""

from collections.abc import Callable

from experiments.published.count import parameters
from experiments.published.figure import Figure
from search_spaces.zoo import zoo

OFFICIAL = {"49s": 9_089_215, "49": 21_831_488, "96": 36_262_976, "143": 60_247_616, "190": 126_587_664}
"""Trainable parameters by variant."""


def _backbone(variant: str) -> Callable[[], int]:
    entry = zoo(f"spinenet-{variant}")
    return lambda: parameters(entry.genotype, entry.scale)


FIGURES = tuple(
    Figure("SpineNet", f"{variant} backbone, parameters", count, _backbone(variant), note="official graph, tf-models")
    for variant, count in OFFICIAL.items()
)
