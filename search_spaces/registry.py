"""Search spaces by name; users' own by import path."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from search_spaces.asff import AsffSpace
from search_spaces.choose import SearchSpace, first_choice
from search_spaces.dsa import DsaSpace
from search_spaces.fpn import FpnSpace
from search_spaces.genotype import Genotype
from search_spaces.importing import ImportPathError, build_own, imported, is_import_path, require
from search_spaces.joint import JointSpace
from search_spaces.msfm import MsfmSpace
from search_spaces.naming import unknown
from search_spaces.nas_fpn import NasFpnSpace
from search_spaces.spinenet import SCALE_PERMUTED, SpineNetSpace

_ALL: tuple[SearchSpace[Genotype], ...] = (
    JointSpace(),
    SpineNetSpace(),
    *SCALE_PERMUTED.values(),
    AsffSpace(),
    MsfmSpace(),
    DsaSpace(),
    FpnSpace(),
    NasFpnSpace(),
)
SPACES: Mapping[str, SearchSpace[Genotype]] = MappingProxyType({space.name: space for space in _ALL})


def find_space(name: str) -> SearchSpace[Genotype]:
    """A space by name, or a user's own by import path.

    Raises:
        ValueError: no space has that name; the message suggests the nearest.
        ImportPathError: the path does not lead to a space of genotypes.
    """
    if not is_import_path(name):
        if name not in SPACES:
            raise ValueError(unknown("space", name, SPACES))
        return SPACES[name]
    space = own_space(name)
    try:
        member = space.build(first_choice)
    except Exception as error:
        fault = f"{type(error).__name__}: {error}"
        raise ImportPathError(f"{name}: its first member cannot be built: {fault} (`nas check {name}`)") from error
    if not isinstance(member, Genotype):
        raise ImportPathError(
            f"{name}: its members are of type {type(member).__name__}, and detectors are built from genotypes "
            "(search_spaces.genotype.Genotype); for other values run nas.search.search.Search with `parse`"
        )
    return space


def own_space(path: str) -> SearchSpace[Any]:
    """A user's own space, of any values: an instance, or a class to be called without arguments.

    Raises:
        ImportPathError: the path does not lead to an object with `name` and `build`.
    """
    needs = ("name", "build")
    space = imported(path)
    if isinstance(space, type):
        return build_own(path, call=f"{space.__name__}()", needs=needs)  # type: ignore[no-any-return]
    require(path, space, needs)
    return space  # type: ignore[no-any-return]
