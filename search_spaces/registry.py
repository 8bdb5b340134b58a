"""The spaces by name."""

from collections.abc import Mapping
from types import MappingProxyType

from search_spaces.asff import AsffSpace
from search_spaces.choose import SearchSpace
from search_spaces.dsa import DsaSpace
from search_spaces.fpn import FpnSpace
from search_spaces.genotype import Genotype
from search_spaces.joint import JointSpace
from search_spaces.msfm import MsfmSpace
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
