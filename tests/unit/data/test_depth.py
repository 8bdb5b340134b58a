"""Images of more than 8 bits per channel, with an EXIF orientation, or beyond Pillow's pixel limit."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nas.data.depth import ValueRange, deep_values, scaled_from, value_range, values_of
from nas.data.detection_set import DataError
from nas.data.directory import read_directory, read_val
from nas.data.images import read_image
from tests.sets import write_set
from tests.support import diagnostic_counts

RAMP: NDArray[np.int64] = np.arange(96 * 80).reshape(80, 96)


def _ramp(bits: int) -> NDArray[np.int64]:
    """A ramp from 0 to 2**bits - 1."""
    return RAMP * (2**bits - 1) // RAMP.max()


def _save(path: Path, values: NDArray[Any]) -> Path:
    Image.fromarray(values).save(path)
    return path


def save_16_bit_png(path: Path, values: NDArray[np.uint16]) -> None:
    """Write (H, W, 3) values as a 16-bit colour PNG, which Pillow cannot write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, data in chunks:
            file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_16_bit_image_is_scaled_from_its_used_bits(tmp_path: Path, bits: int) -> None:
    """Thermal and medical cameras write 12-bit values to 16-bit files: the upper 8 of the used bits are kept."""
    values = _ramp(bits)
    pixels = read_image(_save(tmp_path / "a.png", values.astype(np.uint16)))
    assert np.array_equal(pixels, np.repeat((values >> (bits - 8))[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (_ramp(12).astype(np.int32), _ramp(12) >> 4),
        (_ramp(8).astype(np.int32), _ramp(8)),
        ((_ramp(8) / 255).astype(np.float32), _ramp(8)),
        (_ramp(8).astype(np.float32), _ramp(8)),
        ((_ramp(8) / 4 - 20).astype(np.float32), _ramp(8)),
        ((_ramp(12) - 1024).astype(np.int32), _ramp(12) >> 4),
    ],
    ids=["12 bits", "8 bits", "0 to 1", "0 to 255", "degrees", "Hounsfield"],
)
def test_32_bit_image_keeps_its_grey_levels(tmp_path: Path, values: NDArray[Any], expected: NDArray[np.int64]) -> None:
    pixels = read_image(_save(tmp_path / "a.tif", values))
    assert np.abs(pixels[..., 0].astype(int) - expected).max() <= 1
    assert len(np.unique(pixels)) >= 250


@pytest.mark.parametrize("no_data", [-9999.0, -3.4e38, np.inf])
def test_no_data_values_do_not_widen_the_range(tmp_path: Path, no_data: float) -> None:
    """GeoTIFF marks pixels without data by such values."""
    values = (_ramp(8) / 4 + 280).astype(np.float32)
    values[:10, :10] = no_data
    pixels = read_image(_save(tmp_path / "a.tif", values))
    assert len(np.unique(pixels)) >= 250


def test_hot_pixel_does_not_darken_an_image(tmp_path: Path) -> None:
    values = _ramp(12).astype(np.uint16)
    values[3, 3] = 65535
    pixels = read_image(_save(tmp_path / "a.png", values))
    values[3, 3] = 4095
    assert np.array_equal(pixels[..., 0], values >> 4)


def test_values_far_from_0_use_all_grey_levels(tmp_path: Path) -> None:
    """Thermal cameras write hundredths of a kelvin: here 28000 to 28255 of 65535."""
    values = (_ramp(8) + 28000).astype(np.uint16)
    pixels = read_image(_save(tmp_path / "a.png", values))
    assert np.abs(pixels[..., 0].astype(int) - _ramp(8)).max() <= 1


def test_unsigned_32_bit_values_do_not_wrap() -> None:
    """Pillow's 32-bit integer mode is signed."""
    values = (RAMP.astype(np.uint64) * (2**32 - 1) // RAMP.max()).astype(np.uint32)
    image = Image.fromarray(values.view(np.int32))
    image.tile = [("raw", (0, 0, 96, 80), 0, ("I;32", 0, 1))]  # type: ignore[attr-defined]
    deep = deep_values(image, Path("a.tif"))
    assert deep is not None
    assert np.array_equal(deep, values)


def test_images_of_several_pages_are_reported(tmp_path: Path) -> None:
    def pages(split: str, document: dict[str, Any]) -> None:
        for image in document["images"]:
            image["file_name"] = image["file_name"].replace("png", "tif")

    write_set(tmp_path, change=pages)
    for path in sorted((tmp_path / "images").glob("*.png")):
        image = Image.open(path)
        image.save(path.with_suffix(".tif"), save_all=True, append_images=[image])
    assert diagnostic_counts(read_directory(tmp_path)[0]) == {"images of several pages or frames": 4}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_is_read_without_exif_rotation(tmp_path: Path, orientation: int) -> None:
    """Boxes are in stored pixels, but Pillow rotates TIFFs, unlike other formats, when it loads them."""

    def stored(split: str, document: dict[str, Any]) -> None:
        for image in document["images"]:
            image["file_name"] = image["file_name"].replace("png", "tif")

    write_set(tmp_path, change=stored)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for path in sorted((tmp_path / "images").glob("*.png")):
        Image.open(path).save(path.with_suffix(".tif"), exif=exif)
    data = read_directory(tmp_path)[0]
    assert np.array_equal(data.load(0), np.asarray(Image.open(tmp_path / "images" / "train_1.png")))
    assert diagnostic_counts(data) == ({} if orientation == 1 else {"images with an EXIF orientation": 4})


def test_missing_values_become_black(tmp_path: Path) -> None:
    values = (_ramp(8) / 255).astype(np.float32)
    values[:10] = np.nan
    pixels = read_image(_save(tmp_path / "a.tif", values))
    assert not pixels[:10].any()
    assert pixels[10:].mean() > 100


def test_16_bit_colour_keeps_its_levels(tmp_path: Path) -> None:
    """12 bits per channel: Pillow keeps only the upper byte of 16, which would leave 16 grey levels."""
    values = np.stack((_ramp(12), _ramp(12)[::-1], np.full_like(RAMP, 800)), 2).astype(np.uint16)
    save_16_bit_png(tmp_path / "a.png", values)
    assert np.array_equal(read_image(tmp_path / "a.png"), values >> 4)


def test_both_splits_are_scaled_by_one_range(tmp_path: Path) -> None:
    """A dark image stays darker than a bright one, and the validation split uses the training split's range."""
    write_set(tmp_path)
    for split, peak in (("train", 4000), ("val", 900)):
        for i in range(1, 5):
            _save(tmp_path / "images" / f"{split}_{i}.png", np.full((80, 96), peak * i // 4, np.uint16))
    train, val = read_directory(tmp_path)
    assert [int(train.load(i)[0, 0, 0]) for i in range(4)] == [62, 125, 187, 250]
    assert [int(val.load(i)[0, 0, 0]) for i in range(4)] == [14, 28, 42, 56]
    assert diagnostic_counts(train)["images of more than 8 bits a channel"] == 4
    assert "scaled from 12 bits" in next(one.text for one in train.diagnostics if "8 bits" in one.text)
    alone = read_val(tmp_path)
    assert values_of(alone) == ValueRange(0, 1024)
    assert int(scaled_from(alone, ValueRange(0, 4096)).load(3)[0, 0, 0]) == 56


def test_value_range_is_rounded_and_joined() -> None:
    assert value_range([]) is None
    found = value_range([np.array([0, 300]), np.array([5, 9])])
    assert found == ValueRange(0, 1024)
    assert found.union(ValueRange(-5, 7)) == ValueRange(-5, 1024)
    assert (ValueRange(0, 4096).words, ValueRange(-20, 80.5).words) == ("12 bits", "values from -20 to 80.5")


def test_nearly_black_images_are_reported(tmp_path: Path) -> None:
    """They may be label maps mistaken for images."""
    write_set(tmp_path)
    for i in range(1, 5):
        _save(tmp_path / "images" / f"train_{i}.png", np.full((80, 96, 3), i, np.uint8))
    train, val = read_directory(tmp_path)
    assert diagnostic_counts(train) == {"images that are nearly black": 4}
    assert diagnostic_counts(val) == {}


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_exif_orientation_is_reported_and_ignored(tmp_path: Path, ending: str) -> None:
    """Boxes are in stored pixels. Boxes in rotated pixels cannot be detected, so the diagnostic warns of them."""

    def renamed(split: str, document: dict[str, Any]) -> None:
        for image in document["images"]:
            image["file_name"] = image["file_name"].replace("png", ending)

    write_set(tmp_path, change=renamed)
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in sorted((tmp_path / "images").glob("*.png")):
        Image.open(path).save(path.with_suffix(f".{ending}"), exif=exif)
    data = read_directory(tmp_path)[0]
    assert diagnostic_counts(data) == {"images with an EXIF orientation": 4}
    assert data.load(0).shape == (80, 96, 3)


def test_error_on_a_rotated_size_names_the_exif_orientation(tmp_path: Path) -> None:
    def turned(split: str, document: dict[str, Any]) -> None:
        for image in document["images"]:
            image["width"], image["height"] = image["height"], image["width"]

    write_set(tmp_path, change=turned)
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in (tmp_path / "images").glob("*.png"):
        Image.open(path).save(path, exif=exif)
    with pytest.raises(DataError, match="is 96x80, EXIF orientation 6, stated as 80x96"):
        read_directory(tmp_path)


def test_images_beyond_pillows_limit_are_refused_with_a_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Valid images above `MAX_IMAGE_PIXELS`, which is lowered for the test."""
    write_set(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 96 * 80 // 2 - 1)
    with pytest.raises(DataError, match=r"than 0 million pixels, which Pillow does not decode \(4\).*cut them"):
        read_directory(tmp_path)
    with pytest.raises(DataError, match="which Pillow does not decode; cut it into tiles"):
        read_image(tmp_path / "images" / "val_1.png")


def test_large_images_within_pillows_limit_are_read_without_a_warning(tmp_path: Path) -> None:
    """In a subprocess, because pytest sets its own warning filters."""
    write_set(tmp_path)
    code = f"""
from pathlib import Path
from PIL import Image
from nas.data.directory import read_directory
Image.MAX_IMAGE_PIXELS = 96 * 80 - 1
print(read_directory(Path({str(tmp_path)!r}))[0].load(0).shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(80, 96, 3)\n", "")
