#!/usr/bin/env bash
# Expected: a 16-bit gray image (mode I;16: depth, thermal, X-ray) of one constant value keeps that value inside the
#   picture under rotate and transform, with any filter, as it does under resize with the same filters.
# Happens: with BILINEAR or BICUBIC, rotate and transform read the pixels as bytes. A flat image of 40000 becomes
#   values below 256, without error or warning. NEAREST, right angles and resize are right, mode I is right too.
# Source: Pillow handbook, "Concepts" (modes, filters); python-pillow/Pillow issue 1127 of 2015, same symptom.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import PIL
from PIL import Image

warnings.simplefilter("error")
print("pillow", PIL.__version__, "numpy", np.__version__)
flat = np.full((64, 64), 40000, np.uint16)
image = Image.fromarray(flat)
wide = Image.fromarray(flat.astype(np.int32))
assert (image.mode, wide.mode) == ("I;16", "I")
shift = (1, 0, 0.25, 0, 1, 0.25)
steps = {
    "rotate(10)": lambda im, f: im.rotate(10, f),
    "rotate(90)": lambda im, f: im.rotate(90, f),
    "transform, affine": lambda im, f: im.transform(im.size, Image.Transform.AFFINE, shift, f),
    "transform, extent": lambda im, f: im.transform((32, 32), Image.Transform.EXTENT, (0, 0, 64, 64), f),
    "resize": lambda im, f: im.resize((32, 32), f),
}
broken = {"rotate(10)", "transform, affine", "transform, extent"}
for name, step in steps.items():
    seen = {}
    for kind in (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC):
        for im in (image, wide):
            out = np.asarray(step(im, kind))
            middle = out[out.shape[0] // 4 : -out.shape[0] // 4, out.shape[1] // 4 : -out.shape[1] // 4]
            seen[im.mode, kind.name] = (int(middle.min()), int(middle.max()))
    print(f"{name:18}", {f"{m} {k}": v for (m, k), v in seen.items() if m == "I;16" or k == "BILINEAR"})
    for (mode, kind), (low, high) in seen.items():
        if mode == "I;16" and kind != "NEAREST" and name in broken:
            assert high < 256, f"{name} with {kind} keeps 16 bits now"
        else:
            assert low == high == 40000, f"{name} with {kind} in mode {mode} is no longer right"
PY
"$work/venv/bin/python" "$work/check.py"
