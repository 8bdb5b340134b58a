"""SpineNet's two official implementations (padding same and symmetric), reproduced to 1e-5 of the largest value."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.decode import Backbone, decode
from nas.importers.tf_spinenet import import_weights
from nas.importers.variables import read_variables
from search_spaces.genotype import Genotype, Scale
from search_spaces.rewrite import with_activation, with_padding
from search_spaces.zoo import zoo
from tests.support import shared_data

TINY = Scale(width=0.33, output_width=48)


@pytest.fixture(scope="module")
def path() -> Path:
    return shared_data() / "fixtures" / "spinenet_tiny.npz"


@pytest.fixture(scope="module")
def arrays(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files if name.startswith(("input", "out_", "tpu_out_", "net_"))}


def imported(genotype: Genotype, path: Path) -> Backbone:
    variables = read_variables(path)
    assert variables.epsilon
    network = decode(genotype, TINY, norm_layer=partial(nn.BatchNorm2d, eps=variables.epsilon))
    import_weights(network, variables)
    return network.eval()


def image(arrays: dict[str, Any]) -> Tensor:
    return torch.from_numpy(arrays["input"]).permute(0, 3, 1, 2).contiguous()


def assert_close(made: Tensor, official: Any) -> None:
    expected = torch.from_numpy(official).permute(0, 3, 1, 2)
    assert made.shape == expected.shape
    assert (made - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize(("padding", "prefix"), [("same", "out"), ("symmetric", "tpu_out")])
def test_outputs_match_the_official_code(padding: str, prefix: str, path: Path, arrays: dict[str, Any]) -> None:
    network = imported(with_padding(zoo("spinenet-49").genotype, padding), path)
    with torch.inference_mode():
        maps = network(image(arrays))
    for level in range(3, 8):
        assert_close(maps[f"p{level}"], arrays[f"{prefix}_{level}"])


def test_block_outputs_match_the_official_code(path: Path, arrays: dict[str, Any]) -> None:
    network = imported(with_padding(zoo("spinenet-49").genotype, "same"), path)
    made: dict[str, Tensor] = {}
    for name, node in network.nodes.items():
        node.register_forward_hook(lambda module, args, output, name=name: made.update({name: output.clone()}))
    with torch.inference_mode():
        network(image(arrays))
    for i in range(17):
        assert_close(made[f"node_b{i}"], arrays[f"net_{i}"])


def test_padding_variants_have_different_keys() -> None:
    genotype = zoo("spinenet-49").genotype
    assert with_padding(genotype, "symmetric") == genotype
    assert with_padding(genotype, "same").key() != genotype.key()


def test_with_activation_replaces_every_relu() -> None:
    """In blocks, edges, fusions, endpoints and head (facts, section 2)."""
    genotype = with_activation(zoo("spinenet-49").genotype, "silu")
    with torch.device("meta"):
        network = decode(genotype, TINY)
        plain = decode(zoo("spinenet-49").genotype, TINY)
    kinds = [type(m) for m in network.modules()]
    assert nn.ReLU not in kinds
    assert kinds.count(nn.SiLU) == sum(isinstance(m, nn.ReLU) for m in plain.modules())
