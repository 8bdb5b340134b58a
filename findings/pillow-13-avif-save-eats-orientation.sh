#!/usr/bin/env bash
# Expected: Image.save(..., exif=tags) reads the Exif object it is given, as the JPEG, PNG, WebP and TIFF writers do.
# Happens: the AVIF writer takes the orientation tag out of the caller's object. If that object came from
#   image.getexif(), the open image loses its orientation as well: a copy saved afterwards is no longer marked, a second
#   AVIF differs from the first, and exif_transpose on the same image no longer turns it, so boxes and pixels part.
# Source: Pillow handbook, "Image file formats", AVIF, option exif; PIL/AvifImagePlugin.py, _save, release 13.0.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0
cat > "$work/check.py" <<'PY'
import io

import PIL
from PIL import Image, ImageOps

TAG = 0x0112
print("pillow", PIL.__version__)


def saved(image, kind, exif):
    file = io.BytesIO()
    image.save(file, kind, exif=exif)
    file.seek(0)
    return file


def tagged():
    exif = Image.Exif()
    exif[TAG] = 6
    return exif


def orientation(file):
    return Image.open(file).getexif().get(TAG)


plain = Image.new("RGB", (64, 48), "red")
for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
    exif = tagged()
    saved(plain, kind, exif)
    print(f"tag in the caller's object after a {kind} save:", exif.get(TAG))
    assert exif.get(TAG) == (None if kind == "AVIF" else 6), f"the {kind} writer treats the object differently now"

photo = Image.open(saved(plain, "JPEG", tagged()))
exif = photo.getexif()
before = ImageOps.exif_transpose(photo).size
first = orientation(saved(photo, "AVIF", exif))
second = orientation(saved(photo, "AVIF", exif))
copy = orientation(saved(photo, "JPEG", exif))
after = ImageOps.exif_transpose(photo).size
print("first AVIF", first, "| second AVIF", second, "| JPEG copy", copy, "| upright size", before, "->", after)
assert (first, second, copy) == (6, None, None)
assert (before, after) == ((48, 64), (64, 48)), "the open image keeps its orientation now"
PY
"$work/venv/bin/python" "$work/check.py"
