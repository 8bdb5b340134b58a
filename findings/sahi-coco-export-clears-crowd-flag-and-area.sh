#!/usr/bin/env bash
# Expected: sahi.utils.coco.Coco reads a COCO file and writes it back with iscrowd and area as they were (the
#   annotation class has an iscrowd field), and slice_coco accepts any box with a positive area.
# Happens: every annotation comes back with iscrowd 0, so a crowd region turns into one huge ordinary object that no
#   detector can match, and area becomes the whole-number area of the box: it moves objects between the size groups
#   and is 0 for a box of less than one square pixel, at which slice_coco stops with ZeroDivisionError.
# Source: sahi/utils/coco.py (from_coco_annotation_dict, create_coco_dict) and sahi/slicing.py, release 0.12.8.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check sahi==0.12.8 pillow==13.0.0 numpy==2.4.6 \
  opencv-python==5.0.0.93 shapely==2.2.0
cat > "$work/check.py" <<'PY'
import json
import sys
from importlib.metadata import version
from pathlib import Path

from PIL import Image
from sahi.slicing import slice_coco
from sahi.utils.coco import Coco

print("sahi", version("sahi"), "shapely", version("shapely"))
work = Path(sys.argv[1])
Image.new("RGB", (640, 480)).save(work / "a.png")


def data(*anns):
    rows = [
        {"id": n, "image_id": 1, "category_id": 1, "bbox": box, "area": area, "iscrowd": crowd}
        for n, (box, area, crowd) in enumerate(anns, 1)
    ]
    return {
        "images": [{"id": 1, "file_name": "a.png", "width": 640, "height": 480}],
        "categories": [{"id": 1, "name": "person", "supercategory": "person"}],
        "annotations": rows,
    }


given = data(([10, 10, 40, 40], 1000.0, 0), ([100, 100, 300, 300], 41234.5, 1), ([50.5, 60.5, 0.75, 0.75], 0.5625, 0))
back = Coco.from_coco_dict_or_path(json.loads(json.dumps(given))).json
for old, new in zip(given["annotations"], back["annotations"]):
    print("iscrowd", old["iscrowd"], "->", new["iscrowd"], "| area", old["area"], "->", new["area"])
assert [a["iscrowd"] for a in back["annotations"]] == [0, 0, 0], "the crowd flag survives now"
assert [a["area"] for a in back["annotations"]] == [1600, 90000, 0], "the given areas survive now"

(work / "tiny.json").write_text(json.dumps(data(([50.5, 60.5, 0.75, 0.75], 0.5625, 0))))
try:
    slice_coco(str(work / "tiny.json"), str(work), "tiles", output_dir=str(work / "out"), slice_height=256,
               slice_width=256)
except ZeroDivisionError as error:
    print("slice_coco on the small box: ZeroDivisionError:", error)
else:
    raise SystemExit("slice_coco accepts a box below one square pixel now")
PY
"$work/venv/bin/python" "$work/check.py" "$work" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
