"""Checks for duplicate images: entries of the same file, and copies of files."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path

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
        once = list({load.names[i]: i for i in there}.values())
        for group in _copies([(load.folder / load.names[i], lengths[i]) for i in once]):
            first, *others = (load.names[once[i]] for i in group)
            diagnostics.add(_COPIES, f"{', '.join(others)} of {first}")


def shared_images(first: ImageFiles, second: ImageFiles) -> list[str]:
    """Names of images of the second set that are files, or copies of files, of the first."""
    if first.load.folder == second.load.folder and (names := set(first.load.names).intersection(second.load.names)):
        return [name for name in second.load.names if name in names]
    if max(len(first.lengths), len(second.lengths)) > EXCERPTS_UP_TO:
        return []
    lengths = set(first.lengths).intersection(second.lengths)
    ours, theirs = ([file for file in _files(part) if file[1] in lengths] for part in (first, second))
    groups = _copies([*ours, *theirs])
    shared = sorted(i - len(ours) for group in groups if group[0] < len(ours) for i in group if i >= len(ours))
    return [theirs[i][0].relative_to(second.load.folder).as_posix() for i in shared]


_File = tuple[Path, int]
"""A file and its length in bytes."""


def _files(files: ImageFiles) -> list[_File]:
    return [(files.load.folder / name, length) for name, length in zip(files.load.names, files.lengths, strict=True)]


def _copies(files: Sequence[_File]) -> list[list[int]]:
    """Groups of positions, in order, of files that are equal in every byte; few files are read whole."""
    groups = _alike([list(range(len(files)))], lambda i: files[i][1])
    groups = _alike(groups, lambda i: excerpt(*files[i]))
    return _alike(groups, lambda i: excerpt(*files[i], None))


def _alike(groups: Iterable[list[int]], key: Callable[[int], Hashable]) -> list[list[int]]:
    """The groups, divided by a key; groups of one are dropped."""
    found: list[list[int]] = []
    for group in groups:
        same: defaultdict[Hashable, list[int]] = defaultdict(list)
        for i in group:
            same[key(i)].append(i)
        found += [positions for positions in same.values() if len(positions) > 1]
    return found
