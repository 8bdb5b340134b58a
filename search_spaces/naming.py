"""What to say to someone who misspelt a name."""

import difflib
from collections.abc import Iterable

from search_spaces.ops import short


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """`no WHAT NAME`, with the nearest of the known names, or all of them where none is near."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
    return f"no {what} {short(name)}; {hint}"
