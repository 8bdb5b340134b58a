"""Images of more than 8 bits, turned ones, and ones that Pillow does not decode."""

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
from tests.support import noticed

RAMP: NDArray[np.int64] = np.arange(96 * 80).reshape(80, 96)


def _scaled(bits: int) -> NDArray[np.int64]:
    """A ramp through all values of that many bits."""
    return RAMP * (2**bits - 1) // RAMP.max()


def _write(path: Path, values: NDArray[Any]) -> Path:
    Image.fromarray(values).save(path)
    return path


def png_of_16_bits(path: Path, values: NDArray[np.uint16]) -> None:
    """Write (H, W, 3) as PNG of 16-bit colour, which Pillow does not write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, data in chunks:
            file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_the_bits_that_are_used_decide(tmp_path: Path, bits: int) -> None:
    """12-bit values in 16-bit files, as thermal and medical cameras write: the upper 8 of the bits there are."""
    values = _scaled(bits)
    pixels = read_image(_write(tmp_path / "a.png", values.astype(np.uint16)))
    assert np.array_equal(pixels, np.repeat((values >> (bits - 8))[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (_scaled(12).astype(np.int32), _scaled(12) >> 4),
        (_scaled(8).astype(np.int32), _scaled(8)),
        ((_scaled(8) / 255).astype(np.float32), _scaled(8)),
        (_scaled(8).astype(np.float32), _scaled(8)),
        ((_scaled(8) / 4 - 20).astype(np.float32), _scaled(8)),
        ((_scaled(12) - 1024).astype(np.int32), _scaled(12) >> 4),
    ],
    ids=["12 bits", "8 bits", "0 to 1", "0 to 255", "degrees", "Hounsfield"],
)
def test_integers_and_floats_of_32_bits_keep_their_levels(
    tmp_path: Path, values: NDArray[Any], expected: NDArray[np.int64]
) -> None:
    pixels = read_image(_write(tmp_path / "a.tif", values))
    assert np.abs(pixels[..., 0].astype(int) - expected).max() <= 1
    assert len(np.unique(pixels)) >= 250


@pytest.mark.parametrize("nothing", [-9999.0, -3.4e38, np.inf])
def test_values_that_stand_for_no_data_do_not_count(tmp_path: Path, nothing: float) -> None:
    """As GeoTIFF writes them in a corner."""
    values = (_scaled(8) / 4 + 280).astype(np.float32)
    values[:10, :10] = nothing
    pixels = read_image(_write(tmp_path / "a.tif", values))
    assert len(np.unique(pixels)) >= 250


def test_a_hot_pixel_does_not_darken_an_image(tmp_path: Path) -> None:
    values = _scaled(12).astype(np.uint16)
    values[3, 3] = 65535
    pixels = read_image(_write(tmp_path / "a.png", values))
    values[3, 3] = 4095
    assert np.array_equal(pixels[..., 0], values >> 4)


def test_values_far_from_0_fill_the_grey_levels(tmp_path: Path) -> None:
    """Hundredths of a kelvin, as thermal cameras write them: 28000 to 28255 of 65535."""
    values = (_scaled(8) + 28000).astype(np.uint16)
    pixels = read_image(_write(tmp_path / "a.png", values))
    assert np.abs(pixels[..., 0].astype(int) - _scaled(8)).max() <= 1


def test_unsigned_integers_of_32_bits_do_not_wrap() -> None:
    """Pillow has a signed mode alone."""
    values = (RAMP.astype(np.uint64) * (2**32 - 1) // RAMP.max()).astype(np.uint32)
    image = Image.fromarray(values.view(np.int32))
    image.tile = [("raw", (0, 0, 96, 80), 0, ("I;32", 0, 1))]  # type: ignore[attr-defined]
    deep = deep_values(image, Path("a.tif"))
    assert deep is not None
    assert np.array_equal(deep, values)


def test_several_pages_deserve_a_word(tmp_path: Path) -> None:
    def pages(split: str, document: dict[str, Any]) -> None:
        for image in document["images"]:
            image["file_name"] = image["file_name"].replace("png", "tif")

    write_set(tmp_path, change=pages)
    for path in sorted((tmp_path / "images").glob("*.png")):
        image = Image.open(path)
        image.save(path.with_suffix(".tif"), save_all=True, append_images=[image])
    assert noticed(read_directory(tmp_path)[0]) == {"images of several pages or frames": 4}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_read_as_it_is_stored(tmp_path: Path, orientation: int) -> None:
    """Of all formats Pillow turns this one by itself; boxes are in stored pixels."""

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
    assert noticed(data) == ({} if orientation == 1 else {"images with an EXIF orientation": 4})


def test_missing_values_become_black(tmp_path: Path) -> None:
    values = (_scaled(8) / 255).astype(np.float32)
    values[:10] = np.nan
    pixels = read_image(_write(tmp_path / "a.tif", values))
    assert not pixels[:10].any()
    assert pixels[10:].mean() > 100


def test_colour_of_16_bits_is_decoded_in_full(tmp_path: Path) -> None:
    """12 bits a channel; Pillow keeps the upper byte of 16, which would leave 16 levels of 256."""
    values = np.stack((_scaled(12), _scaled(12)[::-1], np.full_like(RAMP, 800)), 2).astype(np.uint16)
    png_of_16_bits(tmp_path / "a.png", values)
    assert np.array_equal(read_image(tmp_path / "a.png"), values >> 4)


def test_all_images_of_both_sets_are_scaled_alike(tmp_path: Path) -> None:
    """A dark image stays darker than a bright one, and the validation set is scaled as the training set."""
    write_set(tmp_path)
    for split, peak in (("train", 4000), ("val", 900)):
        for i in range(1, 5):
            _write(tmp_path / "images" / f"{split}_{i}.png", np.full((80, 96), peak * i // 4, np.uint16))
    train, val = read_directory(tmp_path)
    assert [int(train.load(i)[0, 0, 0]) for i in range(4)] == [62, 125, 187, 250]
    assert [int(val.load(i)[0, 0, 0]) for i in range(4)] == [14, 28, 42, 56]
    assert noticed(train)["images of more than 8 bits a channel"] == 4
    assert "scaled from 12 bits" in next(one.text for one in train.diagnostics if "8 bits" in one.text)
    alone = read_val(tmp_path)
    assert values_of(alone) == ValueRange(0, 1024)
    assert int(scaled_from(alone, ValueRange(0, 4096)).load(3)[0, 0, 0]) == 56


def test_ranges_join() -> None:
    assert value_range([]) is None
    found = value_range([np.array([0, 300]), np.array([5, 9])])
    assert found == ValueRange(0, 1024)
    assert found.union(ValueRange(-5, 7)) == ValueRange(-5, 1024)
    assert (ValueRange(0, 4096).words, ValueRange(-20, 80.5).words) == ("12 bits", "values from -20 to 80.5")


def test_nearly_black_images_are_suspected(tmp_path: Path) -> None:
    """As label maps that are taken for images."""
    write_set(tmp_path)
    for i in range(1, 5):
        _write(tmp_path / "images" / f"train_{i}.png", np.full((80, 96, 3), i, np.uint8))
    train, val = read_directory(tmp_path)
    assert noticed(train) == {"images that are nearly black": 4}
    assert noticed(val) == {}


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_an_exif_orientation_is_named_and_ignored(tmp_path: Path, ending: str) -> None:
    """Boxes are in stored pixels; where they are those of the turned image, a warning is all the user gets."""

    def renamed(split: str, document: dict[str, Any]) -> None:
        for image in document["images"]:
            image["file_name"] = image["file_name"].replace("png", ending)

    write_set(tmp_path, change=renamed)
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in sorted((tmp_path / "images").glob("*.png")):
        Image.open(path).save(path.with_suffix(f".{ending}"), exif=exif)
    data = read_directory(tmp_path)[0]
    assert noticed(data) == {"images with an EXIF orientation": 4}
    assert data.load(0).shape == (80, 96, 3)


def test_a_size_stated_after_the_rotation_is_refused_with_the_orientation(tmp_path: Path) -> None:
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


def test_images_beyond_pillows_limit_are_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound, but larger than Pillow decodes; the limit is lowered so that small images are."""
    write_set(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 96 * 80 // 2 - 1)
    with pytest.raises(DataError, match=r"than 0 million pixels, which Pillow does not decode \(4\).*cut them"):
        read_directory(tmp_path)
    with pytest.raises(DataError, match="which Pillow does not decode; cut it into tiles"):
        read_image(tmp_path / "images" / "val_1.png")


def test_large_images_within_the_limit_are_read_without_a_warning(tmp_path: Path) -> None:
    """In a process of its own, as tests have filters for warnings of their own."""
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
