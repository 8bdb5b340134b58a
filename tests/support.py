"""What tests share."""

import contextlib
import io
import os
import random
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from experiments.cli import main
from nas.data.detection_set import DetectionSet
from search_spaces.genotype import Edge, Genotype, Node
from search_spaces.ops import op, stem_maps

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("search_spaces", "nas", "proxies", "experiments")
"""The four floors, lowest first."""


OFFICIAL_ASFF = {
    "yolov3": "yolov3_baseline",
    "yolov3-rfb": "yolov3_baseline+rfb",
    "yolov3-asff": "yolov3_asff",
    "yolov3-asff-rfb": "yolov3_asff+rfb",
    "yolov3-mobilenetv2": "mobilev2_baseline",
    "yolov3-mobilenetv2-asff": "mobilev2_asff",
}
"""Zoo entry -> its name in `facts/asff.json`."""


def source_files(*folders: str) -> dict[str, Path]:
    """Python files of the folders, by default of the four packages: path from the root -> path."""
    paths = [path for folder in folders or PACKAGES for path in sorted((ROOT / folder).rglob("*.py"))]
    return {str(path.relative_to(ROOT)): path for path in paths}


def module_name(file: str) -> str:
    """Import path of a file that `source_files` lists."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def shared_data() -> Path:
    """The folder that holds `data/`, `facts/` and `fixtures/`: FUSION_NAS_DATA, or `shared` beside the repository.

    Skips the calling test where there is none.
    """
    folder = Path(os.environ.get("FUSION_NAS_DATA") or ROOT.parent / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"needs shared data, and {folder} has none; set FUSION_NAS_DATA")
    return folder


def respelled(genotype: Genotype, rng: random.Random) -> Genotype:
    """The same network: new names, another topological order, permuted inputs, dead nodes in between."""
    names = {node.name: f"x{i}" for i, node in enumerate(rng.sample(genotype.nodes, len(genotype.nodes)))}
    waiting, built = list(genotype.nodes), []
    stems = [stem.name for stem in stem_maps(genotype.stem)]
    there = set(stems)
    while waiting:
        node = rng.choice([n for n in waiting if all(edge.source in there for edge in n.inputs)])
        waiting.remove(node)
        there.add(node.name)
        edges = [replace(edge, source=names.get(edge.source, edge.source)) for edge in node.inputs]
        if not node.fuse.spec.ordered:
            rng.shuffle(edges)
        built.append(replace(node, name=names[node.name], inputs=tuple(edges)))
        if rng.random() < 0.3:
            dead = Edge(rng.choice([*stems, *[n.name for n in built]]), op("lateral"))
            built.append(Node(f"dead{len(built)}", rng.randrange(6), 8, (dead,)))
    return Genotype(genotype.stem, tuple(built), tuple(names[name] for name in genotype.outputs), genotype.head)


def noticed(data: DetectionSet) -> dict[str, int]:
    """What reading a set noticed: the first words of each diagnostic, up to a comma or colon -> its count."""
    return {re.split("[,:(]", one.what)[0].strip(): one.count for one in data.diagnostics}


@dataclass(frozen=True)
class Done:
    stdout: str
    stderr: str


def nas(*arguments: str, cwd: Path, code: int = 0) -> Done:
    """The command, in this process; what needs a process of its own starts one."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            returned = main(arguments)
        except SystemExit as exit_:
            returned = int(exit_.code or 0)
    assert returned == code, f"{returned}\n{out.getvalue()}\n{err.getvalue()}"
    return Done(out.getvalue(), err.getvalue())
