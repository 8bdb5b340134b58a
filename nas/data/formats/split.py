"""A format of data sets: where a directory holds the two splits, and what reads one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nas.data.diagnostics import Diagnostics
from nas.data.formats.coco_document import Document


@dataclass(frozen=True)
class Split:
    """One split of a data set.

    Attributes:
        annotations: file of the annotations, which diagnostics name; it need not exist in a set without this split.
        images: folder of the images.
        read: reads the annotations into COCO's records, and adds to the diagnostics what is wrong with the file;
            raises DataError if no record can be read.
    """

    annotations: Path
    images: Path
    read: Callable[[Path, Diagnostics], Document]


@dataclass(frozen=True)
class Format:
    """A format of data sets.

    Attributes:
        find: finds the training and the validation split in a directory; None if it is in another format.
        files: the files that it looks for, for error messages.
    """

    find: Callable[[Path], tuple[Split, Split] | None]
    files: str
