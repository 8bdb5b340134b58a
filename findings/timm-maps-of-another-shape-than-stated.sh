#!/usr/bin/env bash
# Expected: with features_only=True a backbone's maps have the size of the image over feature_info.reduction(), rounded
#   in some way, whatever the size of the image: that is what detection necks and anchor grids are laid out by.
# Happens: mobilevitv2_100 makes a square map of an image that is not square (128 x 96 px: 4 x 4 where stride 32 asks
#   for 4 x 3), as its blocks resize to even sizes and never back. crossvit_9_240 resizes any image to 240 px, so that
#   its maps are always 20 x 20 and 14 x 14, for a 480 px image too, while reduction() states 12 and 17.
# Source: timm/models/mobilevit.py (MobileVitV2Block) and timm/models/crossvit.py, release 1.0.31; timm's documentation,
#   "Feature Extraction". Torch is needed because the finding is about networks; the install is large.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check \
  timm==1.0.31 torch==2.14.1 torchvision==0.29.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import timm
import torch

torch.set_num_threads(1)
print("timm", timm.__version__, "torch", torch.__version__)


def maps(name, height, width):
    """Stated reductions, and height and width of each map of a blank image."""
    with torch.device("meta"):
        model = timm.create_model(name, features_only=True, pretrained=False).eval()
        with torch.no_grad():
            made = model(torch.empty(1, 3, height, width))
    return list(model.feature_info.reduction()), [tuple(m.shape[-2:]) for m in made]


reductions, sizes = maps("mobilevitv2_100", 128, 96)
print("mobilevitv2_100, 128 x 96 px: reductions", reductions, "maps", sizes)
assert reductions[-1] == 32 and sizes[-1] == (4, 4), "the last map is no longer square"

for side in (240, 480):
    reductions, sizes = maps("crossvit_9_240", side, side)
    print(f"crossvit_9_240, {side} x {side} px: reductions", reductions, "maps", sizes)
    assert sizes == [(20, 20), (14, 14)], "the maps follow the image now"
    assert [int(r) for r in reductions] == [12, 17], "other reductions are stated now"
PY
"$work/venv/bin/python" "$work/check.py"
