#!/usr/bin/env bash
# Expected: 101 and 101.0 are one number in JSON, so transforms v2 treat [101, 101, 9, 9] and [101.0, 101, 9, 9] alike.
# Happens: wrap_dataset_for_transforms_v2 makes int64 boxes of an image whose annotations hold no float, and the
#   transforms cut to whole pixels at every step, always toward zero. Resize to a third moves the 9 x 9 box so far that
#   it shares IoU 0.45 with the float one; conversion to CXCYWH and back alone moves it by a pixel (IoU 0.65).
# Source: API pages torchvision.datasets.wrap_dataset_for_transforms_v2 and torchvision.tv_tensors.BoundingBoxes;
#   torchvision/tv_tensors/_dataset_wrapper.py, release 0.29.1; pytorch/vision pull request 9545 (truncation).
# Torch is needed because the finding is about torchvision itself; the install is large.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check \
  torch==2.14.1 torchvision==0.29.1 pycocotools==2.0.11 pillow==13.0.0 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import contextlib
import io
import json
import sys
from pathlib import Path

import torch
import torchvision
from PIL import Image
from torchvision.datasets import CocoDetection, wrap_dataset_for_transforms_v2
from torchvision.ops import box_iou
from torchvision.transforms import v2

torch.set_num_threads(1)
print("torch", torch.__version__, "torchvision", torchvision.__version__)
work = Path(sys.argv[1])
Image.new("RGB", (640, 480)).save(work / "a.png")


def load(box, step):
    (work / "gt.json").write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.png", "width": 640, "height": 480}],
        "categories": [{"id": 1, "name": "bird"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": box, "area": 81, "iscrowd": 0}],
    }))
    with contextlib.redirect_stdout(io.StringIO()):
        data = CocoDetection(str(work), str(work / "gt.json"), transforms=step)
    return wrap_dataset_for_transforms_v2(data, target_keys=["boxes", "labels"])[0][1]["boxes"]


there_and_back = v2.Compose([v2.ConvertBoundingBoxFormat("CXCYWH"), v2.ConvertBoundingBoxFormat("XYXY")])
for name, step, want in (("no change", v2.Identity(), 1.0), ("Resize", v2.Resize((160, 213)), 0.448),
                         ("CXCYWH and back", there_and_back, 0.653)):
    whole, real = load([101, 101, 9, 9], step), load([101.0, 101, 9, 9], step)
    iou = round(box_iou(whole.float(), real).item(), 3)
    print(f"{name:16}", whole.dtype, whole.tolist()[0], "|", real.dtype, real.tolist()[0], "| IoU", iou)
    assert (whole.dtype, real.dtype) == (torch.int64, torch.float32)
    assert iou == want, f"{name} treats whole-number boxes differently now"
PY
"$work/venv/bin/python" "$work/check.py" "$work"
