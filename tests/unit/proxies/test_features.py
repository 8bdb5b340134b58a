"""The features of a genotype."""

import random

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.count import counted
from nas.detectors import build_detector
from proxies.predictor.features import FEATURES, features
from search_spaces.choose import mutate, sample
from search_spaces.genotype import Edge, Genotype, Node, Scale
from search_spaces.ops import op
from search_spaces.registry import SPACES
from search_spaces.zoo import ZOO, zoo
from tests.support import respelled

SPINENET, IDENTITY, CONV = op("spinenet"), op("identity"), op("conv", kernel=1)


def seen(genotype: Genotype) -> dict[str, float]:
    return dict(zip(FEATURES, features(genotype).tolist(), strict=True))


def test_names_are_unique() -> None:
    assert len(set(FEATURES)) == len(FEATURES)


@settings(max_examples=60)
@given(st.sampled_from(sorted(SPACES)), st.integers(0, 10**9))
def test_equal_keys_have_equal_features(space: str, seed: int) -> None:
    rng = random.Random(seed)
    genotype = sample(SPACES[space], rng).value
    assert np.array_equal(features(respelled(genotype, rng)), features(genotype))


@pytest.mark.parametrize("name", ZOO)
def test_every_published_system_has_features(name: str) -> None:
    genotype = zoo(name).genotype
    assert np.isfinite(features(genotype)).all()
    assert np.array_equal(features(respelled(genotype, random.Random(0))), features(genotype))


@pytest.mark.parametrize("space", SPACES)
def test_one_decision_changes_the_features(space: str) -> None:
    """A mutation changes the features, unless it swaps two blocks of one level."""
    rng = random.Random(0)
    shown = []
    for _ in range(30):
        parent = sample(SPACES[space], rng)
        shown.append(
            not np.array_equal(features(parent.value), features(mutate(SPACES[space], parent.trace, rng).value))
        )
    assert np.mean(shown) > 0.9


@pytest.mark.parametrize("seed", range(10))
def test_path_features_equal_those_of_networkx(seed: int) -> None:
    genotype = sample(SPACES["joint"], random.Random(seed)).value
    found, graph = seen(genotype), genotype.to_networkx()
    stems = [name for name in graph if not graph.pred[name]]
    for name, level in zip(genotype.outputs, genotype.levels, strict=True):
        above = nx.ancestors(graph, name) | {name}
        part = graph.subgraph(above)
        paths = [path for stem in stems if stem in part for path in nx.all_simple_paths(part, stem, name)]
        lengths = [len(path) - 1 for path in paths]
        assert found[f"output{level}.nodes"] == len(above - set(stems))
        assert found[f"output{level}.longest"] == max(lengths) == nx.dag_longest_path_length(part)
        assert found[f"output{level}.shortest"] == min(lengths)
        assert found[f"output{level}.paths.log2"] == pytest.approx(np.log2(len(paths)))
    assert found["edges"] == graph.number_of_edges()
    assert found["readers.most"] == max(degree for _, degree in graph.out_degree())


def test_a_graph_counted_by_hand() -> None:
    r"""stem2 -> a2 -> b3 -> c5, a2 -> c5, b3 -> p3, c5 -> up4 (ASFF, with b3) -> p4; MSFM in c5, twice.

    By depth: a2 1, b3 2, c5 3, up4 4, p3 3, p4 5.
    """
    modules = tuple(op("msfm", position=position, ratio=8 * position, scales=(0.5, 2.0)) for position in (2, 3))
    nodes = (
        Node("a", 2, 64, (Edge("stem2", IDENTITY),), block=op("bottleneck")),
        Node("b", 3, 128, (Edge("a", SPINENET),), block=op("bottleneck", repeats=2)),
        Node("c", 5, 128, (Edge("b", SPINENET), Edge("a", SPINENET)), block=op("bottleneck", msfm=modules)),
        Node("up", 4, 128, (Edge("c", SPINENET), Edge("b", SPINENET)), op("asff"), op("residual", drop=0.2)),
        Node("dead", 6, 128, (Edge("c", SPINENET),), block=op("residual")),
        Node("p3", 3, None, (Edge("b", IDENTITY),), block=CONV),
        Node("p4", 4, None, (Edge("up", IDENTITY),), block=CONV),
    )
    genotype = Genotype(op("resnet_stem"), nodes, ("p3", "p4"), op("fcos", attention=(op("dsa", min_level=5),)))
    found = seen(genotype)
    with torch.device("meta"):
        detector = build_detector(genotype, Scale(), 1)
        parameters = sum(p.numel() for p in detector.parameters())
        macs = counted(detector, detector.backbone, torch.zeros(1, 3, 256, 256))[1]
    expected = {
        "level2.nodes": 1,
        "level3.nodes": 2,
        "level4.nodes": 2,
        "level5.nodes": 1,
        "level6.nodes": 0,
        "level3.repeats": 3,
        "level3.depth": 2.5,
        "level4.depth": 4.5,
        "level5.depth": 3,
        "level3.from_finer": 1,
        "level3.from_same": 1,
        "level4.from_coarser": 1,
        "level5.from_finer": 2,
        "edges.span+0": 3,
        "edges.span+1": 2,
        "edges.span+2": 1,
        "edges.span+3": 1,
        "edges.span-1": 1,
        "edges": 8,
        "edges.jump.mean": (1 + 1 + 1 + 2 + 1 + 2 + 1 + 1) / 8,
        "edges.jump.most": 2,
        "depth": 5,
        "readers.most": 3,
        "output3.shortest": 3,
        "output3.longest": 3,
        "output3.paths.log2": 0,
        "output3.nodes": 3,
        "output4.shortest": 4,
        "output4.longest": 5,
        "output4.paths.log2": np.log2(3),
        "output4.nodes": 5,
        "bottleneck.uses": 3,
        "bottleneck.level3": 1,
        "bottleneck.repeats": 4 / 3,
        "residual.uses": 1,
        "residual.drop": 0.2,
        "asff.level4": 1,
        "asff.compress": 16,
        "sum.uses": 1,
        "sum.act=none": 1,
        "msfm.uses": 2,
        "msfm.level5": 2,
        "msfm.ratio": 20,
        "msfm.scales.most": 2,
        "msfm.scales.count": 2,
        "msfm.fusion=add": 1,
        "msfm.fusion=cat": 0,
        "dsa.uses": 1,
        "dsa.min_level": 5,
        "spinenet.uses": 5,
        "conv.kernel": 1,
        "fcos.uses": 1,
        "retinanet.uses": 0,
        "parameters.log2": np.log2(parameters),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["macs.log2"] > np.log2(macs)  # the feature includes the head
