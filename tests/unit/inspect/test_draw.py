"""Drawings and text descriptions of genotypes."""

import random
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest

from nas.inspect.draw import describe, draw
from nas.inspect.layout import BOX_HEIGHT, BOX_WIDTH, layout
from nas.inspect.palette import BLOCKS, FUSES
from search_spaces.choose import sample
from search_spaces.genotype import Edge, Genotype, Node
from search_spaces.ops import OPS, Kind, op
from search_spaces.registry import SPACES
from search_spaces.zoo import ZOO, zoo


def sampled(seed: int) -> Genotype:
    return sample(SPACES["joint"], random.Random(seed)).value


def texts(path: Path) -> list[str]:
    return ["".join(e.itertext()) for e in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def long_genotype(height: int) -> Genotype:
    """A chain of nodes with names of 64 characters; the last node is dead."""
    names = [f"{i:064}" for i in range(height)]
    nodes = [Node(names[0], 2, 64, (Edge("stem2", op("identity")),), block=op("bottleneck"))]
    nodes += [
        Node(b, 2 + i % 5, 64, (Edge(a, op("spinenet")),), block=op("residual"))
        for i, (a, b) in enumerate(pairwise(names))
    ]
    return Genotype(op("resnet_stem"), tuple(nodes), (names[-2],), op("fcos"))


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_drawing_is_deterministic(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        draw(sampled(7), tmp_path / f"{name}{suffix}", title="trial 7")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("genotype", [zoo("pafpn").genotype, sampled(7)])
def test_drawing_names_exactly_the_live_nodes(tmp_path: Path, genotype: Genotype) -> None:
    draw(genotype, tmp_path / "g.svg")
    found = texts(tmp_path / "g.svg")
    dead = {node.name for node in genotype.nodes} - {node.name for node in genotype.live}
    assert {node.name for node in genotype.live} <= set(found)
    assert not dead & set(found)
    assert {"P3", "stride 8", "fcos head"} <= set(found)


def test_drawing_marks_parts(tmp_path: Path) -> None:
    draw(zoo("fpn-msfm").genotype, tmp_path / "msfm.svg")
    draw(zoo("fpn-dsa").genotype, tmp_path / "dsa.svg")
    assert texts(tmp_path / "msfm.svg").count("msfm") == 3 + 1  # three nodes and the legend
    assert texts(tmp_path / "dsa.svg").count("dsa") == 4 + 1


def test_title_is_escaped(tmp_path: Path) -> None:
    draw(zoo("fpn").genotype, tmp_path / "g.svg", title='<b>&"\x00\n$x_1$')
    assert '<b>&" $x_1$' in texts(tmp_path / "g.svg")
    assert "<b>" not in (tmp_path / "g.svg").read_text()


def test_long_genotype_and_title_are_drawn(tmp_path: Path) -> None:
    draw(long_genotype(260), tmp_path / "g.png", title="x" * 500)
    assert (tmp_path / "g.png").stat().st_size > 0


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"g\.gif.*\.svg, \.png, \.pdf"):
        draw(zoo("fpn").genotype, tmp_path / "g.gif")


@pytest.mark.parametrize("genotype", [*(zoo(name).genotype for name in ZOO), *map(sampled, range(30))])
def test_no_arrow_crosses_a_box(genotype: Genotype) -> None:
    plan = layout(genotype)
    for arrow in (arrow for arrows in plan.arrows.values() for arrow in arrows):
        for (x0, y0), (x1, y1) in pairwise(arrow.knots):
            assert x0 <= x1 + 1e-9
            for box in plan.boxes.values():
                left_or_right = (
                    min(x0, x1) >= box.x + BOX_WIDTH / 2 - 1e-9 or max(x0, x1) <= box.x - BOX_WIDTH / 2 + 1e-9
                )
                above_or_below = min(y0, y1) > box.y + BOX_HEIGHT / 2 or max(y0, y1) < box.y - BOX_HEIGHT / 2
                assert left_or_right or above_or_below


def test_palette_covers_every_block_and_fuse() -> None:
    assert set(BLOCKS) == {name for name, spec in OPS.items() if spec.kind is Kind.block}
    assert set(FUSES) == {name for name, spec in OPS.items() if spec.kind is Kind.fuse}


def test_description_has_one_line_per_live_node() -> None:
    lines = describe(long_genotype(5)).splitlines()
    assert len(lines) == 1 + 1 + 4 + 1 + 3
    assert lines[-1].split()[:5] == ["dead", "1", "of", "5", "nodes,"]


def test_description_lists_inputs_with_their_resampling() -> None:
    lines = [" ".join(line.split()) for line in describe(zoo("spinenet-49").genotype).splitlines()]
    assert lines[7] == "6 b5 P4 16 256 bottleneck sum(act=relu) b2↑2 spinenet, b4↑1 spinenet"
    assert "outputs p3 p4 p5 p6 p7" in lines
    assert "msfm(convs=2, groups=4, position=2" in describe(zoo("fpn-msfm").genotype)
    assert "fcos + dsa" in describe(zoo("fpn-dsa").genotype)


def test_importing_draw_does_not_import_matplotlib() -> None:
    code = "import nas.inspect.draw, sys; sys.exit(bool({'matplotlib', 'networkx', 'torch', 'ray'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
