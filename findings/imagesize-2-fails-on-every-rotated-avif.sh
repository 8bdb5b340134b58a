#!/usr/bin/env bash
# Expected: imagesize 2 gives the upright size of a JPEG, TIFF or AVIF picture, as its README says, so width and height
#   of a COCO file can be filled without decoding.
# Happens: get() answers (-1, -1) for each AVIF that carries a rotation, and get_info() raises ValueError: it asks the
#   irot box for five bytes, while the format gives it one. Unrotated and merely mirrored AVIF files work. And with the
#   same orientation tag JPEG and TIFF come out turned, PNG and WebP do not, although Pillow turns all of them.
# Source: README of shibukawa/imagesize_py, part "Version 2.0"; imagesize/imagesize.py, _parse_iprp, release 2.0.1.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check imagesize==2.0.1 pillow==13.0.0
cat > "$work/check.py" <<'PY'
import io
from importlib.metadata import version

import imagesize
from PIL import Image, ImageOps

print("imagesize", version("imagesize"), "pillow", version("pillow"))


def sizes(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(file, kind, exif=exif)
    file.seek(0)
    quick = imagesize.get(file)
    file.seek(0)
    try:
        info = imagesize.get_info(file).rotation
    except ValueError as error:
        info = f"ValueError: {error}"
    file.seek(0)
    upright = ImageOps.exif_transpose(Image.open(file)).size
    return quick, upright, info


for orientation in (1, 2, 3, 4, 5, 6, 7, 8):
    quick, upright, info = sizes("AVIF", orientation)
    print("AVIF, orientation", orientation, "| imagesize", quick, "| Pillow, upright", upright, "| get_info:", info)
    turned = orientation in (3, 5, 6, 7, 8)
    assert quick == ((-1, -1) if turned else (64, 48)), "imagesize reads rotated AVIF differently now"
    assert str(info).startswith("ValueError") == turned
for kind, want in (("JPEG", (48, 64)), ("TIFF", (48, 64)), ("PNG", (64, 48)), ("WEBP", (64, 48))):
    quick, upright, _ = sizes(kind, 6)
    print(f"{kind}, orientation 6 | imagesize", quick, "| Pillow, upright", upright)
    assert quick == want and upright == (48, 64), f"{kind} is treated differently now"
PY
"$work/venv/bin/python" "$work/check.py"
