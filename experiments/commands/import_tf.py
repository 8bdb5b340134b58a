"""`nas import-tf FILE`: convert published TensorFlow weights of SpineNet to a checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from experiments.commands.genotype_argument import find_genotype
from experiments.commands.network_flags import Network, parse_network
from experiments.errors import UsageError
from nas.data.detection_set import Category
from nas.detectors import DetectorConfig
from nas.importers.variables import Variables, read_variables
from nas.inspect.console import open_console
from nas.training.blueprint import Blueprint
from search_spaces.genotype import Genotype
from search_spaces.rewrite import with_padding
from search_spaces.zoo import SPINENET_CLASSES

EPSILONS = {"same": 1e-3, "symmetric": 1e-4}
"""Padding -> epsilon of the batch norms in that official code (tf-models, TPU release), if a file has none."""


@dataclass(frozen=True)
class Arguments:
    """Convert the weights of a SpineNet backbone from an .npz of TensorFlow variables in order of creation.

    The head of the checkpoint is randomly initialised even if the file has one: train it with
    `nas train GENOTYPE --backbone-weights OUT`.
    """

    file: Positional[Path]
    """An .npz of kernels (HWIO), gamma, beta, moving_mean and moving_variance; read without executing code."""
    out: Path
    """Checkpoint to write."""
    network: Annotated[Network, arg(name="")] = Network()  # noqa: RUF009 - a frozen value
    genotype: str = "zoo:spinenet-49"
    """Topology of the weights."""
    padding: Literal["symmetric", "same"] | None = None
    """Padding of the official code that trained the weights: same (tf-models) or symmetric (the paper's TPU release).
    Equal weights compute different outputs in each. Optional if the genotype already has padding "same"."""
    norm_epsilon: float | None = None
    """Epsilon of every batch norm; if omitted, that of the file, else 1e-3 (same) or 1e-4 (symmetric)."""
    image_size: int | None = None
    """Side of the images on which the checkpoint is evaluated, px; if omitted, as published, or 640 for a JSON file."""


def main(arguments: Sequence[str]) -> int:
    asked = parse_network(Arguments, "import-tf", arguments)
    named = asked.network.of(find_genotype(asked.genotype))
    genotype = _padded(named.genotype, asked.padding)
    import torch

    from nas.importers.tf_spinenet import import_weights
    from nas.training.checkpoint import Checkpoint

    variables = read_variables(asked.file)
    blueprint = Blueprint(
        genotype=genotype,
        scale=named.scale,
        detector=DetectorConfig(norm_epsilon=_epsilon(asked, variables)),
        image_size=named.image_size if asked.image_size is None else asked.image_size,
        categories=_categories(named.num_classes or SPINENET_CLASSES),
    )
    torch.manual_seed(0)
    model = blueprint.build()
    import_weights(model.get_submodule("backbone"), variables)
    try:
        Checkpoint(blueprint, "{}", 0, {"model": model.state_dict()}).save(asked.out)
    except (OSError, RuntimeError) as error:
        raise UsageError(f"--out {asked.out}: cannot be written: {error}") from None
    console = open_console()
    if variables.head:
        console.print(f"left out: {len(variables.head)} variables of a head, first {variables.head[0]}")
    console.print(f"{len(variables.ordered)} variables written to {asked.out}; the head is untrained")
    return 0


def _padded(genotype: Genotype, padding: str | None) -> Genotype:
    if padding:
        return with_padding(genotype, padding)
    if with_padding(genotype, "same") != genotype:
        raise UsageError(
            "--padding is required: give the official code that trained the weights, 'same': tf-models, whose strided "
            "convolutions pad as TensorFlow's 'same'; 'symmetric': the paper's TPU release. Equal weights compute "
            "different maps in each"
        )
    return genotype


def _epsilon(asked: Arguments, variables: Variables) -> float:
    given = asked.norm_epsilon
    if given is None:
        return variables.epsilon or EPSILONS[asked.padding or "same"]
    if not 0 < given < 1:
        raise UsageError(f"--norm-epsilon {given}: give a number between 0 and 1")
    return given


def _categories(count: int) -> tuple[Category, ...]:
    """By category id, 0 the background; "N/A" where COCO has no such category."""
    from torchvision.models.detection import RetinaNet_ResNet50_FPN_Weights

    names = RetinaNet_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    return tuple(Category(number, names[number] if number < len(names) else "N/A") for number in range(count))
