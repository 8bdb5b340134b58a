"""Helpers shared by the tests."""

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
"""The project's packages; a package imports only packages to its left."""


OFFICIAL_ASFF = {
    "yolov3": "yolov3_baseline",
    "yolov3-rfb": "yolov3_baseline+rfb",
    "yolov3-asff": "yolov3_asff",
    "yolov3-asff-rfb": "yolov3_asff+rfb",
    "yolov3-mobilenetv2": "mobilev2_baseline",
    "yolov3-mobilenetv2-asff": "mobilev2_asff",
}
"""Zoo entry -> its key in `facts/asff.json`."""


def source_files(*folders: str) -> dict[str, Path]:
    """Python files in the folders, by default in the four packages: path relative to the root -> path."""
    paths = [path for folder in folders or PACKAGES for path in sorted((ROOT / folder).rglob("*.py"))]
    return {str(path.relative_to(ROOT)): path for path in paths}


def module_name(file: str) -> str:
    """Import path of a file that `source_files` lists."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def shared_data() -> Path:
    """The folder that holds `data/`, `facts/` and `fixtures/`: FUSION_NAS_DATA, or `shared` next to the repository.

    Skips the calling test if the folder has no `data/`.
    """
    folder = Path(os.environ.get("FUSION_NAS_DATA") or ROOT.parent / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"needs shared data, and {folder} has none; set FUSION_NAS_DATA")
    return folder


def respelled(genotype: Genotype, rng: random.Random) -> Genotype:
    """An equivalent genotype: renamed nodes, another topological order, permuted inputs, inserted dead nodes."""
    names = {node.name: f"x{i}" for i, node in enumerate(rng.sample(genotype.nodes, len(genotype.nodes)))}
    remaining, built = list(genotype.nodes), []
    stems = [stem.name for stem in stem_maps(genotype.stem)]
    defined = set(stems)
    while remaining:
        node = rng.choice([n for n in remaining if all(edge.source in defined for edge in n.inputs)])
        remaining.remove(node)
        defined.add(node.name)
        edges = [replace(edge, source=names.get(edge.source, edge.source)) for edge in node.inputs]
        if not node.fuse.spec.ordered:
            rng.shuffle(edges)
        built.append(replace(node, name=names[node.name], inputs=tuple(edges)))
        if rng.random() < 0.3:
            dead = Edge(rng.choice([*stems, *[n.name for n in built]]), op("lateral"))
            built.append(Node(f"dead{len(built)}", rng.randrange(6), 8, (dead,)))
    return Genotype(genotype.stem, tuple(built), tuple(names[name] for name in genotype.outputs), genotype.head)


def diagnostic_counts(data: DetectionSet) -> dict[str, int]:
    """The diagnostics of a data set: first words, up to a comma, colon or parenthesis -> count."""
    return {re.split("[,:(]", one.what)[0].strip(): one.count for one in data.diagnostics}


@dataclass(frozen=True)
class Output:
    stdout: str
    stderr: str


def nas(*arguments: str, cwd: Path, code: int = 0) -> Output:
    """Run the `nas` command in this process and check its exit code."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            returned = main(arguments)
        except SystemExit as exit_:
            returned = int(exit_.code or 0)
    assert returned == code, f"{returned}\n{out.getvalue()}\n{err.getvalue()}"
    return Output(out.getvalue(), err.getvalue())
