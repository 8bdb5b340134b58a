"""Opening data by name, directory or URL."""

from pathlib import Path

from nas.data.detection_set import DataError, DetectionSet
from nas.data.digits.scenes import DigitsConfig
from nas.data.digits.scenes import digits as compose_digits
from nas.data.directory import read_directory, read_val
from nas.data.fetch import anywhere, fetch, is_url


def open_data(source: str, digits: DigitsConfig) -> tuple[DetectionSet, DetectionSet]:
    """Open the training and validation sets of `source`: "digits", a directory in COCO's format, or the URL of one.

    Raises:
        DataError: no such directory, one that `read_directory` rejects, or an archive that cannot be fetched.
    """
    if source == "digits":
        return compose_digits(digits)
    train, val = read_directory(_root(source))
    return (anywhere(train, source), anywhere(val, source)) if is_url(source) else (train, val)


def open_val(source: str, digits: DigitsConfig) -> DetectionSet:
    """Open the validation set alone; a directory may lack a training set.

    Raises:
        DataError: no such directory, one that `read_val` rejects, or an archive that cannot be fetched.
    """
    return compose_digits(digits)[1] if source == "digits" else read_val(_root(source))


def _root(source: str) -> Path:
    if is_url(source):
        return fetch(source)
    root = Path(source).expanduser()
    if not root.is_dir():
        raise DataError(f"data {source!r} is neither 'digits' nor a directory; give one that holds train.json or COCO")
    return root
