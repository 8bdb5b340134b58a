"""Checks for duplicate images: entries of the same file, and copies of files."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from nas.data.diagnostics import Diagnostics, Kind, Severity
from nas.data.images import EXCERPTS_UP_TO, ImageFiles, ImageFolder, excerpt

_TWICE = Kind(
    "files listed under several image ids, so that each entry trains the others' objects as background",
    "merge their entries",
    Severity.warning,
)
_COPIES = Kind("images that are copies of others", "drop all but one of each", Severity.warning)


def note_repeated_images(
    load: ImageFolder, lengths: tuple[int, ...], there: list[int], diagnostics: Diagnostics, *, contents: bool
) -> None:
    """Record files listed under several ids and, with `contents`, files that are copies of others.

    Args:
        load: loads the images.
        lengths: bytes of each file.
        there: positions of existing images.
        diagnostics: of the annotation file.
        contents: whether files of equal length are compared.
    """
    uses = Counter(load.names[i] for i in there)
    for name, count in uses.items():
        if count > 1:
            diagnostics.add(_TWICE, f"{name} ({count} times)")
    if contents:
        for first, *others in _copies(load, lengths, {load.names[i]: i for i in there}.values()):
            diagnostics.add(_COPIES, f"{', '.join(load.names[i] for i in others)} of {load.names[first]}")


def shared_images(first: ImageFiles, second: ImageFiles) -> list[str]:
    """Names of images of the second set that are files, or copies of files, of the first."""
    if first.load.folder == second.load.folder and (names := set(first.load.names).intersection(second.load.names)):
        return [name for name in second.load.names if name in names]
    if max(len(first.lengths), len(second.lengths)) > EXCERPTS_UP_TO:
        return []
    lengths = set(first.lengths).intersection(second.lengths)
    known = {digest for _, digest in _excerpts(first, lengths)}
    alike = [name for name, digest in _excerpts(second, lengths) if digest in known]
    if not alike:
        return []
    sized = zip(first.load.names, first.lengths, strict=True)
    whole = {excerpt(first.load.folder / name, 0, None) for name, length in sized if length in lengths}
    return [name for name in alike if excerpt(second.load.folder / name, 0, None) in whole]


def _excerpts(files: ImageFiles, lengths: set[int]) -> Iterator[tuple[str, bytes]]:
    """Names and digests of the files of these lengths."""
    for name, length in zip(files.load.names, files.lengths, strict=True):
        if length in lengths:
            yield name, excerpt(files.load.folder / name, length, 2**16)


def _copies(load: ImageFolder, lengths: Sequence[int], positions: Iterable[int]) -> Iterator[list[int]]:
    """Groups of positions whose files have the same length, beginning, middle and end."""
    same_length: defaultdict[int, list[int]] = defaultdict(list)
    for i in positions:
        same_length[lengths[i]].append(i)
    for length, group in same_length.items():
        if len(group) > 1:
            alike: defaultdict[bytes, list[int]] = defaultdict(list)
            for i in group:
                alike[excerpt(load.folder / load.names[i], length)].append(i)
            for found in alike.values():
                yield from _equal(load, found)


def _equal(load: ImageFolder, positions: list[int]) -> Iterator[list[int]]:
    """Of files that begin and end alike, those that are equal in every byte."""
    if len(positions) > 1:
        whole: defaultdict[bytes, list[int]] = defaultdict(list)
        for i in positions:
            whole[excerpt(load.folder / load.names[i], 0, None)].append(i)
        yield from (found for found in whole.values() if len(found) > 1)
