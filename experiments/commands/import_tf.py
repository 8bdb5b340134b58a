"""`nas import-tf FILE`: published TensorFlow weights of SpineNet as a checkpoint of ours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import torch
from rich.console import Console
from tyro.conf import Positional, arg

from experiments.arguments import parse
from experiments.errors import UsageError
from experiments.genotypes import Named, find_genotype
from experiments.network import Network, parse_network
from nas.data.detection_set import Category
from nas.detectors import DetectorConfig
from nas.importers.tf_spinenet import import_weights
from nas.importers.variables import Variables, read_variables
from nas.training.checkpoint import Blueprint, Checkpoint
from search_spaces.genotype import Scale
from search_spaces.rewrite import with_padding
from search_spaces.zoo import SPINENET_CLASSES

VERB = "import-tf"
EPSILON = 1e-3
"""Of the norms in tf-models, where a file does not say."""


@dataclass(frozen=True)
class Arguments:
    """Read weights of a SpineNet backbone from an .npz of TensorFlow variables, in order of their creation.

    The head, of which such a file has none, begins as fresh as in a training.
    """

    file: Positional[Path]
    """Variables: kernels (HWIO), gamma, beta, moving_mean, moving_variance; nothing in it is executed."""
    out: Path
    """The checkpoint to write."""
    network: Annotated[Network, arg(name="")] = Network()  # noqa: RUF009 - a frozen value
    genotype: str = "zoo:spinenet-49"
    """The topology the weights belong to."""
    padding: Literal["symmetric", "same"] | None = None
    """Which official function they belong to: symmetric (TPU release), same (tf-models); else the genotype's own."""
    norm_epsilon: float | None = None
    """Of every batch norm; else what the file says, or 1e-3."""
    image_size: int = 640
    """Side of the images the checkpoint is evaluated on, px."""


def main(arguments: Sequence[str]) -> int:
    given = parse(Arguments, VERB, arguments)
    found = find_genotype(given.genotype)

    def before(scale: Scale | None) -> Arguments:
        network = Network(scale or found.scale or Scale())
        return replace(given, network=network, image_size=found.image_size or given.image_size)

    asked = parse_network(Arguments, VERB, arguments, before)
    named = asked.network.of(found)
    variables = read_variables(asked.file)
    blueprint = _blueprint(asked, named, variables)
    torch.manual_seed(0)
    model = blueprint.build()
    import_weights(model.get_submodule("backbone"), variables)
    try:
        Checkpoint(blueprint, "{}", 0, {"model": model.state_dict()}).save(asked.out)
    except (OSError, RuntimeError) as error:
        raise UsageError(f"--out {asked.out}: cannot be written: {error}") from None
    Console().print(f"{len(variables.ordered)} variables in {asked.out}", markup=False)
    return 0


def _blueprint(asked: Arguments, named: Named, variables: Variables) -> Blueprint:
    return Blueprint(
        genotype=with_padding(named.genotype, asked.padding) if asked.padding else named.genotype,
        scale=asked.network.scale,
        detector=DetectorConfig(norm_epsilon=asked.norm_epsilon or variables.epsilon or EPSILON),
        image_size=asked.image_size,
        categories=tuple(Category(k, f"category {k}") for k in range(named.num_classes or SPINENET_CLASSES)),
    )
