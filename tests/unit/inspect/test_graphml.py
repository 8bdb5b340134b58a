"""Genotypes as GraphML, read back by networkx."""

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import networkx as nx
import pytest

from nas.inspect.graphml import graph_of, write_graphml
from search_spaces.choose import sample
from search_spaces.genotype import Genotype
from search_spaces.registry import SPACES
from search_spaces.zoo import ZOO, zoo
from tests.support import nas


def _read_back(genotype: Genotype, path: Path) -> nx.DiGraph:
    write_graphml(genotype, path)
    return nx.read_graphml(path)


@pytest.mark.parametrize("name", ZOO)
def test_graphml_holds_the_graph_with_all_attributes(name: str, tmp_path: Path) -> None:
    genotype = zoo(name).genotype
    graph = _read_back(genotype, tmp_path / "g.graphml")
    expected = graph_of(genotype)
    assert list(graph.nodes(data=True)) == list(expected.nodes(data=True))
    assert list(graph.edges(data=True)) == list(expected.edges(data=True))
    assert set(graph) == {*genotype.to_networkx(), "head"}


@pytest.mark.parametrize("seed", range(5))
def test_graphml_attributes_match_the_live_nodes(seed: int, tmp_path: Path) -> None:
    genotype = sample(SPACES["joint"], random.Random(seed)).value
    graph = _read_back(genotype, tmp_path / "g.graphml")
    for node in genotype.live:
        data = graph.nodes[node.name]
        assert (data["kind"], data["level"], data["stride"]) == ("node", node.level, 2**node.level)
        assert data.get("width") == node.width
        assert data["op"].startswith(node.block.name)
        assert ("fuse" in data) == (len(node.inputs) > 1)
        inputs = sorted(graph.in_edges(node.name, data=True), key=lambda arc: arc[2]["place"])
        assert [source for source, _, _ in inputs] == [edge.source for edge in node.inputs]
    assert sorted(graph.pred["head"], key=lambda name: graph.edges[name, "head"]["place"]) == list(genotype.outputs)


def test_graphml_is_deterministic(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_graphml(zoo("spinenet-49").genotype, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_attribute_ids_are_unique(tmp_path: Path) -> None:
    """The GraphML schema requires it, and readers other than networkx rely on it."""
    write_graphml(zoo("fpn").genotype, tmp_path / "g.graphml")
    keys = [line.split('"')[1] for line in (tmp_path / "g.graphml").read_text().splitlines() if "<key id" in line]
    assert len(keys) == len(set(keys)) > 5


def test_node_named_head_does_not_collide_with_the_head(tmp_path: Path) -> None:
    fpn = zoo("fpn").genotype
    last = next(node for node in fpn.nodes if node.name == fpn.outputs[-1])
    renamed = replace(
        fpn,
        nodes=tuple(replace(node, name="head") if node is last else node for node in fpn.nodes),
        outputs=(*fpn.outputs[:-1], "head"),
    )
    graph = _read_back(renamed, tmp_path / "g.graphml")
    assert graph.nodes["head"]["kind"] == "node"
    assert graph.nodes["head'"]["kind"] == "head"


def test_draw_writes_graphml_by_suffix(tmp_path: Path) -> None:
    nas("draw", "zoo:fpn", "--out", "fpn.graphml", cwd=tmp_path)
    assert nx.is_isomorphic(nx.read_graphml(tmp_path / "fpn.graphml"), graph_of(zoo("fpn").genotype))


def test_importing_graphml_does_not_import_networkx() -> None:
    code = "import nas.inspect.graphml, sys; sys.exit('networkx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
