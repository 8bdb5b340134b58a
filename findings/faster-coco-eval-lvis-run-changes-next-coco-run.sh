#!/usr/bin/env bash
# Expected: an evaluation reads the detections and leaves them as they are, so a COCO-style score is the same
#   before and after an LVIS-style evaluation of the same loaded results.
# Happens: the LVIS-style run writes "drop": True into the shared detection records, and every later run, COCO-style
#   too, skips those records. Here AP of the category goes from 0.50 to 1.00 without any change of the detections.
# Source: faster_coco_eval/core/cocoeval.py, COCOeval._prepare (the flag is set there and never cleared), release 1.8.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check faster-coco-eval==1.8.0 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import faster_coco_eval
import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

print("faster-coco-eval", faster_coco_eval.__version__, "numpy", np.__version__)
# Image 2 was never checked for category 1: LVIS ignores a box there, COCO counts it as a false positive.
truth = COCO({
    "images": [
        {"id": i, "width": 640, "height": 480, "neg_category_ids": [], "not_exhaustive_category_ids": []}
        for i in (1, 2)
    ],
    "categories": [{"id": 1, "name": "kite", "frequency": "f"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0}
    ],
})
results = [
    {"image_id": 1, "category_id": 1, "bbox": [10, 10, 50, 50], "score": 0.5},
    {"image_id": 2, "category_id": 1, "bbox": [300, 10, 50, 50], "score": 0.9},
]


def average_precision(found, lvis):
    run = COCOeval_faster(truth, found, "bbox", lvis_style=lvis)
    run.run()
    return round(float(run.stats[0]), 4)


found = truth.loadRes(results)
before = average_precision(found, lvis=False)
lvis = average_precision(found, lvis=True)
after = average_precision(found, lvis=False)
fresh = average_precision(truth.loadRes([{k: r[k] for k in ("image_id", "category_id", "bbox", "score")}
                                         for r in results]), lvis=False)
print("COCO before", before, "| LVIS", lvis, "| COCO after", after, "| COCO, results loaded anew", fresh)
print("flags left on the records:", {i: a.get("drop") for i, a in found.anns.items()})
assert (before, lvis, after, fresh) == (0.5, 1.0, 1.0, 0.5), "the LVIS-style run no longer leaks into the next run"
PY
"$work/venv/bin/python" "$work/check.py"
