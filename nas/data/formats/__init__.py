"""Formats of data sets: where a directory holds the two splits, and how one is read into COCO's records.

One format a module; `nas.data.directory` checks the records and the images of any format and makes a `DetectionSet`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from nas.data.formats.coco import COCO
from nas.data.formats.split import Format

FORMATS: Mapping[str, Format] = MappingProxyType({"coco": COCO})
"""Formats by name; a directory is in the first one that finds splits in it."""
