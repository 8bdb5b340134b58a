"""Opening data by name."""

from pathlib import Path

from nas.data.coco import read_coco, read_val
from nas.data.detection_set import DataError, DetectionSet
from nas.data.digits import DigitsConfig
from nas.data.digits import digits as compose_digits


def open_data(source: str, digits: DigitsConfig) -> tuple[DetectionSet, DetectionSet]:
    """Open the training and validation sets of `source`: "digits", or a directory in COCO's format.

    Raises:
        DataError: no such directory, or one that `read_coco` refuses.
    """
    return compose_digits(digits) if source == "digits" else read_coco(_root(source))


def open_val(source: str, digits: DigitsConfig) -> DetectionSet:
    """Open the validation set alone; a directory need not hold another.

    Raises:
        DataError: no such directory, or one that `read_val` refuses.
    """
    return compose_digits(digits)[1] if source == "digits" else read_val(_root(source))


def _root(source: str) -> Path:
    root = Path(source).expanduser()
    if not root.is_dir():
        raise DataError(f"data {source!r} is neither 'digits' nor a directory; give one that holds train.json or COCO")
    return root
