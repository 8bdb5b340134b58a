#!/usr/bin/env bash
# Expected: polars.read_json of a COCO result file keeps every number, or stops with an error when a value does not fit
#   the column type (as read_ndjson does, and as DataFrame promises with strict=True, its default).
# Happens: if the first 100 detections have whole-number boxes and scores (score 1, say, from a confident class), the
#   columns become Int64, and read_json and DataFrame cut all later values: score 0.87 becomes 0, box 10.5 becomes 10.
# Source: Polars API reference, polars.read_json (infer_schema_length=100), polars.read_ndjson, polars.DataFrame.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0
cat > "$work/check.py" <<'PY'
import io
import json

import polars as pl

print("polars", pl.__version__)
whole = [{"image_id": n, "category_id": 1, "bbox": [10, 20, 30, 40], "score": 1} for n in range(100)]
late = [{"image_id": 100, "category_id": 1, "bbox": [10.5, 20.25, 30.75, 40.5], "score": 0.87}]
rows = whole + late
text = json.dumps(rows).encode()
lines = "\n".join(map(json.dumps, rows)).encode()


def last(frame):
    row = frame.row(-1, named=True)
    return row["score"], list(row["bbox"])


print("written:              ", (late[0]["score"], late[0]["bbox"]))
cut = (0, [10, 20, 30, 40])
frames = {"read_json": pl.read_json(io.BytesIO(text)), "DataFrame strict": pl.DataFrame(rows, strict=True)}
for name, frame in frames.items():
    print(f"{name + ':':22}", last(frame))
    assert last(frame) == cut, f"{name} no longer cuts the late values"
try:
    pl.read_ndjson(io.BytesIO(lines))
except pl.exceptions.ComputeError as error:
    print("read_ndjson:           ComputeError:", error)
else:
    raise SystemExit("read_ndjson no longer refuses the same rows")
full = last(pl.read_json(io.BytesIO(text), infer_schema_length=None))
print("read_json, full scan: ", full)
assert full == (0.87, [10.5, 20.25, 30.75, 40.5])
PY
"$work/venv/bin/python" "$work/check.py"
