"""Where one split of a data set lies, and what reads it."""

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
