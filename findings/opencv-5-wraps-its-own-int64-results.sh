#!/usr/bin/env bash
# Expected: OpenCV 5 has 32- and 64-bit integer depths (CV_32U, CV_64S, CV_64U). A NumPy int64 map of annotation ids
#   therefore goes through flip, resize (nearest) or copyMakeBorder unchanged, as a uint32 map does.
# Happens: the Python layer still casts int64 and uint64 input down to int32, modulo 2**32, without a word. The id
#   900100581904 of a COCO crowd annotation comes out as another number, 2**40 as 0 (background), and the int64 array
#   that cv2.add just returned for dtype=CV_64S turns from 4294967294 into -2 in the next call.
# Source: OpenCV 5 core reference, depth constants in interface.h; opencv/modules/python/src2/cv2_convert.cpp (needcast).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import cv2
import numpy as np

warnings.simplefilter("error")
print("opencv", cv2.__version__, "numpy", np.__version__, "| CV_64S is depth", cv2.CV_64S)
ids = np.array([[900100581904, 2**40], [2**31, 7]])
steps = {
    "flip": lambda a: cv2.flip(a, 1)[:, ::-1],
    "resize": lambda a: cv2.resize(a, (4, 4), interpolation=cv2.INTER_NEAREST)[::2, ::2],
    "border": lambda a: cv2.copyMakeBorder(a, 1, 1, 1, 1, cv2.BORDER_REPLICATE)[1:-1, 1:-1],
}
for kind in (np.int64, np.uint64):
    for name, step in steps.items():
        out = step(ids.astype(kind))
        print(f"{kind.__name__} ids {ids.ravel().tolist()} after {name}:", out.ravel().tolist(), out.dtype)
        assert out.dtype == np.int32 and np.array_equal(out, ids.astype(np.int32)), "64-bit input is kept now"
narrow = np.array([[2**32 - 1, 2**31]], np.uint32)
assert np.array_equal(cv2.flip(narrow, 0), narrow) and cv2.flip(narrow, 0).dtype == np.uint32
print("uint32 input is kept:", cv2.flip(narrow, 0).ravel().tolist())

top = np.full((1, 1), 2**31 - 1, np.int32)
total = cv2.add(top, top, dtype=cv2.CV_64S)
again = cv2.flip(total, 0)
print("add with CV_64S:", total.item(), total.dtype, "| the same array after flip:", again.item(), again.dtype)
assert (total.item(), total.dtype) == (4294967294, np.int64) and again.item() == -2
PY
"$work/venv/bin/python" "$work/check.py"
