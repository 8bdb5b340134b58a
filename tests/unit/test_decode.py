"""Any legal genotype decodes at any scale; its output maps have the sizes of their levels."""

import random
from dataclasses import replace

import pytest
import torch
from torch import nn

from nas.decode import decode
from nas.ops.block.residual import ResidualUnit
from nas.ops.common import Build, OwnWeights
from nas.ops.stem import STEMS
from search_spaces.genotype import Edge, Genotype, Node, Scale
from search_spaces.ops import OPS, GenotypeError, Kind, Op, op, stem_maps
from search_spaces.zoo import zoo


def random_op(rng: random.Random, kind: Kind) -> Op:
    """A random operator of a kind, with up to two attributes changed."""
    name = rng.choice([name for name, spec in OPS.items() if spec.kind is kind and name != "timm"])
    changed = {
        "repeats": 2,
        "kernel": rng.choice((1, 5, 7)),
        "act": rng.choice(("silu", "leaky_relu", "none")),
        "msfm": (op("msfm", position=rng.choice((1, 2, 3)), groups=rng.choice((3, 64))),),
        "norm": "none",
        "act_first": True,
    }
    options = sorted(set(changed) & set(OPS[name].fields))
    try:
        return op(name, **{key: changed[key] for key in rng.sample(options, min(len(options), rng.randrange(3)))})
    except GenotypeError:
        return op(name)


def random_genotype(rng: random.Random) -> Genotype:
    """A random legal genotype over all operators."""
    stem = random_op(rng, Kind.stem)
    names, nodes = [m.name for m in stem_maps(stem)], list[Node]()
    while len(nodes) < 8:
        sources = rng.sample(names[-4:], rng.randint(1, min(3, len(names))))
        edges = tuple(Edge(source, random_op(rng, Kind.resample)) for source in sources)
        fuse = random_op(rng, Kind.fuse) if len(edges) > 1 else op("sum")
        width = rng.choice((8, 12, None))
        nodes.append(Node(f"n{len(nodes)}", rng.randint(1, 6), width, edges, fuse, random_op(rng, Kind.block)))
        try:
            genotype = Genotype(stem, tuple(nodes), (nodes[-1].name,), op("fcos"))
            names.append(nodes[-1].name)
        except GenotypeError:
            nodes.pop()
    return genotype


@pytest.mark.parametrize("seed", range(40))
def test_any_legal_genotype_decodes(seed: int) -> None:
    rng = random.Random(seed)
    genotype = random_genotype(rng)
    scale = Scale(
        width=rng.choice((1 / 64, 0.3, 1.7)),
        repeats=rng.choice((1, 2)),
        alpha=0.3,
        output_width=5,
        stem=rng.choice((0.1, 1)),
    )
    backbone = decode(genotype, scale).eval()
    (level,) = genotype.levels
    for height, width in ((1, 1), (64, 64), (37, 50)):
        with torch.inference_mode():
            made = backbone(torch.randn(1, 3, height, width))[f"p{level}"]
        assert made.shape == (1, backbone.out_channels, -(-height // 2**level), -(-width // 2**level))
        assert made.isfinite().all()
    if len(genotype.live) > 1:
        made = backbone.train()(torch.randn(2, 3, 130, 130))[f"p{level}"]
        made.square().mean().backward()


@pytest.mark.parametrize("name", ["keys", "training", "forward", "_modules", "T_destination", "to", "0", "a-b"])
def test_node_may_have_any_legal_name(name: str) -> None:
    """torch.nn.ModuleDict refuses some of these names as keys."""
    node = Node(name, 3, None, (Edge("stem2", op("spinenet")),))
    backbone = decode(Genotype(op("resnet_stem"), (node,), (name,), op("fcos")), Scale(output_width=8))
    assert backbone(torch.zeros(1, 3, 64, 64))["p3"].shape == (1, 8, 8, 8)


def test_norm_layer_replaces_every_batch_norm() -> None:
    genotype = zoo("spinenet-49").genotype
    with torch.device("meta"):
        backbone = decode(genotype, Scale(width=0.25), norm_layer=lambda channels: nn.GroupNorm(1, channels))
    assert not any(isinstance(m, nn.BatchNorm2d) for m in backbone.modules())


def test_seed_determines_the_weights() -> None:
    genotype, scale = zoo("spinenet-49").genotype, Scale(width=0.0625, alpha=0.25, output_width=8)
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(torch.cat([p.flatten() for p in decode(genotype, scale).parameters()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_convolutions_have_he_initialisation_and_residual_branches_start_at_0() -> None:
    """Standard deviation sqrt(2 / fan-out) (arXiv 1502.01852, section 2.2), within the sampling error."""
    torch.manual_seed(0)
    backbone = decode(zoo("fpn").genotype, Scale(output_width=128))
    convs = {name: m for name, m in backbone.named_modules() if isinstance(m, nn.Conv2d) and m.weight.numel() > 50_000}
    assert len(convs) > 40
    for name, conv in convs.items():
        expected = (2 / (conv.out_channels * conv.kernel_size[0] ** 2)) ** 0.5
        assert conv.weight.std().item() == pytest.approx(expected, rel=0.02), name
        assert abs(conv.weight.mean().item()) < 0.02 * expected, name
    for unit in (m for m in backbone.modules() if isinstance(m, ResidualUnit)):
        assert not unit.body[-1][1].weight.any()  # type: ignore[index,union-attr]


class ForeignStem(OwnWeights):
    """A stem that initialises its own weights to 1."""

    def __init__(self, op: Op, build: Build) -> None:
        super().__init__()
        conv = nn.Conv2d(3, 64, 3, 4, 1)
        nn.init.ones_(conv.weight)
        self.body = nn.Sequential(ResidualUnit(nn.Sequential(conv, nn.BatchNorm2d(64)), 3, 64, 4, "relu", build))


def test_operator_with_own_weights_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STEMS, "resnet_stem", STEMS["resnet_stem"]._replace(build=ForeignStem))
    backbone = decode(zoo("fpn").genotype, Scale(width=0.0625, output_width=8))
    body = backbone.stem.body[0].body  # type: ignore[index,union-attr]
    assert (body[0].weight == 1).all()
    assert (body[1].weight == 1).all()


def test_outputs_do_not_depend_on_the_order_of_nodes() -> None:
    """Weights are keyed by node name, so they load into a reordered network."""
    genotype, scale = zoo("fpn").genotype, Scale(width=0.0625, output_width=8)
    *trunk, p3, p4, p5, p6, p7 = genotype.nodes
    other = replace(genotype, nodes=(*trunk, p5, p6, p4, p7, p3))
    first, second = decode(genotype, scale).eval(), decode(other, scale).eval()
    second.load_state_dict(first.state_dict())
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        for name, made in first(image).items():
            assert torch.equal(made, second(image)[name])
