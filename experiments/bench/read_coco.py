"""Time and memory of reading a set as large as COCO, with all checks: `python -m experiments.bench.read_coco`.

Generates a set of COCO's size in a temporary folder: 118,000 images of a few bytes and 860,000 boxes with polygons.
Readers run in separate processes, interleaved: ours, pycocotools' index, which checks nothing, and, with
`--against`, ours from another checkout.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from experiments.commands.arguments import run

OURS = """
from pathlib import Path
try:
    from nas.data.directory import read_split
except ImportError:  # a checkout from before 2026-11-28
    from nas.data.coco import read_split
; read_split(Path('train.json'), Path('images'))"""
PYCOCOTOOLS = "from pycocotools.coco import COCO; COCO('train.json')"
_MEASURE = """
import resource, time

{imports}
start = time.process_time()
{read}
taken = time.process_time() - start
print(taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def make(folder: Path, images: int, boxes: int) -> None:
    """Write `train.json` and `images/` with objects like COCO's: polygons of 25 points inside their boxes."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    entries = [{"id": i, "file_name": f"{i:012}.jpg", "width": 640, "height": 480} for i in range(1, images + 1)]
    for entry in entries:
        (folder / "images" / str(entry["file_name"])).write_bytes(b"\xff\xd8\xff\xd9")
    corners, sides = rng.random((boxes, 2)) * (500, 380), rng.random((boxes, 2)) * (130, 90) + 5
    turns = np.linspace(0, 2 * np.pi, 25, endpoint=False)
    circle = np.stack((np.cos(turns), np.sin(turns)), 1) / 2 + 0.5
    of_image, category = rng.integers(1, images + 1, boxes), rng.integers(1, 81, boxes)
    with (folder / "train.json").open("w") as file:
        names = [{"id": c, "name": f"category {c}"} for c in range(1, 81)]
        file.write(json.dumps({"images": entries, "categories": names})[:-1] + ', "annotations": [')
        for i in range(boxes):
            outline = (corners[i] + circle * sides[i]).round(2)
            annotation = {
                "id": i + 1,
                "image_id": int(of_image[i]),
                "category_id": int(category[i]),
                "bbox": [*corners[i].round(2).tolist(), *sides[i].round(2).tolist()],
                "area": round(float(sides[i].prod()) * math.pi / 4, 2),
                "iscrowd": 0,
                "segmentation": [outline.ravel().tolist()],
            }
            file.write((", " if i else "") + json.dumps(annotation))
        file.write("]}")


def measure(read: str, folder: Path, checkout: Path) -> tuple[float, float]:
    """Processor time (s) and peak memory (GiB) of reading in a fresh process."""
    imports, statement = read.rsplit("; ", 1)
    code = _MEASURE.format(imports=imports, read=statement)
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    seconds, kib = done.stdout.splitlines()[-1].split()
    return float(seconds), float(kib) / 2**20


def main(*, images: int = 118_000, boxes: int = 860_000, rounds: int = 3, against: Path | None = None) -> None:
    """Print the medians of all readers, and their ratios to ours.

    Args:
        images: images of the set.
        boxes: boxes of the set, each with a polygon.
        rounds: readings by each reader.
        against: another checkout of this repository.
    """
    here = Path(__file__).parents[2]
    readers = {"ours": (OURS, here), "pycocotools": (PYCOCOTOOLS, here)}
    if against:
        readers["other checkout"] = (OURS, against.resolve())
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), images, boxes)
        taken = {name: [measure(read, Path(folder), at)] for name, (read, at) in readers.items()}
        for _ in range(rounds - 1):
            for name, (read, at) in readers.items():
                taken[name].append(measure(read, Path(folder), at))
    medians = {name: [statistics.median(column) for column in zip(*runs, strict=True)] for name, runs in taken.items()}
    ours = medians["ours"]
    for name, (seconds, memory) in medians.items():
        ratios = f"  (ours takes {ours[0] / seconds:.2f} of the time, {ours[1] / memory:.2f} of the memory)"
        print(f"{name:15} {seconds:6.2f} s  {memory:5.2f} GiB" + ("" if name == "ours" else ratios))


if __name__ == "__main__":
    run(main, __doc__)
