"""Formats of data sets: where a directory holds the two splits, and how one is read into COCO's records.

One format a module; `nas.data.directory` checks the records and the images of any format and makes a `DetectionSet`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from nas.data.formats.coco import coco_splits
from nas.data.formats.split import Split

FORMATS: Mapping[str, Callable[[Path], tuple[Split, Split] | None]] = MappingProxyType({"coco": coco_splits})
"""Formats by name: each finds the training and the validation split in a directory, or None if it is in another."""
