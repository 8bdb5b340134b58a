#!/usr/bin/env bash
# Expected: extended_metrics gives precision and recall at IoU 0.50, so recall lies between 0 and 1 and a
#   duplicate box counts as a false positive, as it does in COCOeval itself.
# Happens: one object with two detections (IoU 0.60 at score .9, IoU 0.95 at score .8) gives precision 1.0 and
#   recall 2.0, because eval["matched"] is the union of the matches of all ten IoU thresholds. Five boxes inside a
#   crowd region count as five hits too and lift recall to 6.0. AP stays right; only these numbers are off.
# Source: faster_coco_eval/core/faster_eval_api.py (extended_metrics, its docstring), release 1.8.0.
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


def evaluate(truth, found):
    data = {
        "images": [{"id": 1, "width": 640, "height": 480}],
        "categories": [{"id": 1, "name": "boat"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd}
            for n, (box, crowd) in enumerate(truth, 1)
        ],
    }
    gt = COCO(data)
    dt = gt.loadRes([{"image_id": 1, "category_id": 1, "bbox": box, "score": s} for box, s in found])
    run = COCOeval_faster(gt, dt, "bbox", extra_calc=True)
    run.run()
    ext = run.extended_metrics
    return run.stats_as_dict, ext["precision"], ext["recall"], dict(run.eval["matched"])


stats, precision, recall, matched = evaluate(
    [([0, 0, 100, 100], 0)], [([0, 0, 100, 60], 0.9), ([0, 0, 100, 95], 0.8)]
)
print("duplicate box: AP50", stats["AP_50"], "precision", precision, "recall", recall, "matched", matched)
assert (precision, recall) == (1.0, 2.0), "the duplicate is no longer counted as a second hit"

crowd = [([10, 10, 50, 50], 0), ([200, 200, 300, 200], 1)]
boxes = [([10, 10, 50, 50], 0.7)] + [([210 + 20 * k, 210, 40, 40], 0.9) for k in range(5)]
stats, precision, recall, matched = evaluate(crowd, boxes)
print("boxes in a crowd: AP50", stats["AP_50"], "precision", precision, "recall", recall)
assert (precision, recall) == (1.0, 6.0), "boxes in the crowd are no longer counted as hits"
PY
"$work/venv/bin/python" "$work/check.py"
