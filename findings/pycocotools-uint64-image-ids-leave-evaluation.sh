#!/usr/bin/env bash
# Expected: image ids are integers of any size in JSON and in Python; if a COCO set with small ids is joined with
#   pictures whose ids are unsigned 64-bit file hashes, the evaluator counts them all or refuses them.
# Happens: COCOeval.evaluate runs np.unique over the id list. NumPy turns a mix of ids below and above 2**63 into
#   float64; the rounded hashes match no annotation any more and their images leave the evaluation in silence. A
#   detector that found one object of four scores AP 1.0 and AR 1.0.
# Source: pycocotools/cocoeval.py, COCOeval.evaluate (p.imgIds = list(np.unique(p.imgIds))); NumPy guide on promotion.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pycocotools==2.0.11 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import contextlib
import io
from importlib.metadata import version

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

print("pycocotools", version("pycocotools"), "numpy", np.__version__)


def score(ids):
    box = {"category_id": 1, "bbox": [10, 10, 100, 100]}
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": i, "width": 640, "height": 480} for i in ids],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [{**box, "id": n, "image_id": i, "area": 1e4, "iscrowd": 0} for n, i in enumerate(ids, 1)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes([{**box, "image_id": ids[0], "score": 0.9}]), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    kinds = {type(i).__name__ for i in run.params.imgIds}
    return round(float(run.stats[0]), 3), round(float(run.stats[8]), 3), kinds


small = score([139, 285, 632, 724])
signed = score([139, 0x1B2C3D4E5F607182, 0x2F3A21C4D5E6F701, 0x7EDCBA9876543211])
mixed = score([139, 0x1B2C3D4E5F607182, 0x8F3A21C4D5E6F701, 0xFEDCBA9876543211])
for name, (ap, ar, kinds) in (("small ids", small), ("hashes < 2**63", signed), ("full 64-bit hashes", mixed)):
    print(f"one object of four found, {name}: AP {ap} AR {ar}, ids evaluated as {kinds}")
assert small == signed == (0.257, 0.25, {"int64"}), "the reference score moved"
assert mixed == (1.0, 1.0, {"float64"}), "images with unsigned 64-bit ids are no longer lost"
PY
"$work/venv/bin/python" "$work/check.py"
