"""Opening data by name."""

from pathlib import Path

from nas.data.coco import read_coco
from nas.data.detection_set import DataError, DetectionSet
from nas.data.digits import DigitsConfig
from nas.data.digits import digits as compose_digits


def open_data(source: str, digits: DigitsConfig) -> tuple[DetectionSet, DetectionSet]:
    """Open the training and validation sets of `source`: "digits", or a directory in COCO's format.

    Raises:
        DataError: no such directory, or one that `read_coco` refuses.
    """
    if source == "digits":
        return compose_digits(digits)
    root = Path(source).expanduser()
    if not root.is_dir():
        raise DataError(f"data {source!r} is neither 'digits' nor a directory; give one that holds train.json or COCO")
    return read_coco(root)
