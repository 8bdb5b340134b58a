"""Names: suggestions for a misspelt one, and dotted names of nested values."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from search_spaces.ops import short


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """`no WHAT NAME`, with the nearest known name, or with all of them if none is near."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
    return f"no {what} {short(name)}; {hint}"


def dotted(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a nested document, by dotted names such as `proxy.scale.width`."""
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from dotted(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
