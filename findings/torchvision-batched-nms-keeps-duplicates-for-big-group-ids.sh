#!/usr/bin/env bash
# Expected: torchvision.ops.batched_nms runs NMS apart for each value of idxs, whatever the values are; a natural group
#   id for a whole COCO result file is image_id * 1000 + category_id.
# Happens: up to 1000 boxes on a CPU it adds idxs * (largest coordinate + 1) to the float32 boxes. With image ids of
#   the size COCO uses, the sum swallows the coordinates and no duplicate is removed any more. From 1001 boxes on,
#   another code path runs, and the same boxes with the same ids come out right.
# Source: torchvision/ops/boxes.py, batched_nms and _batched_nms_coordinate_trick; API page torchvision.ops.batched_nms.
# Torch is needed because the finding is about an operator of torchvision itself; the install is large.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check \
  torch==2.14.1 torchvision==0.29.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import torch
import torchvision
from torchvision.ops import batched_nms

torch.set_num_threads(1)
print("torch", torch.__version__, "torchvision", torchvision.__version__)
pair = torch.tensor([[100.0, 100, 200, 200], [102, 102, 202, 202]])  # IoU 0.92, one object found twice


def kept(image_ids):
    """Run NMS over one such pair per image and count what stays."""
    groups = torch.tensor([image * 1000 + 1 for image in image_ids for _ in range(2)])
    boxes = pair.repeat(len(image_ids), 1)
    scores = torch.tensor([0.9, 0.8]).repeat(len(image_ids))
    return len(batched_nms(boxes, scores, groups, 0.5))


small = list(range(10))
big = [581929, 581781, 581615, 581482, 581357, 581317, 581206, 581100, 581062, 580757]
many = big + list(range(491))
first, second, third = kept(small), kept(big), kept(many)
print("10 images, ids 0 to 9:       20 boxes,", first, "kept, 10 expected")
print("10 images, ids near 581000:  20 boxes,", second, "kept, 10 expected")
print("the same and 491 more:     1002 boxes,", third, "kept, 501 expected")
assert first == 10 and third == 501
assert second == 20, "duplicates with large group ids are removed now"
PY
"$work/venv/bin/python" "$work/check.py"
