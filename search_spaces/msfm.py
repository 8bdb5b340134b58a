"""Multi-scale fusion modules inside bottlenecks (MSFM, Wang and Wang 2021, OpenReview 6IVdytR2W90)."""

from dataclasses import dataclass

from search_spaces.choose import Chooser
from search_spaces.fpn import STAGE_LEVELS, resnet_fpn
from search_spaces.genotype import Genotype
from search_spaces.ops import Op, op

SCALES = ((0.5, 0.7, 1.0), (1.0, 1.4, 2.0), (0.5, 0.7, 1.0, 1.4, 2.0))
POSITIONS = ((3,), (2,), (2, 3))
"""Convolutions of the bottleneck that a module follows; the paper's main tables use (2, 3)."""
GROUPS = {1: 8, 2: 4, 3: 32}
"""Position -> groups of the norm in the main tables (Tables 4-6)."""


@dataclass(frozen=True)
class MsfmSettings:
    """The hyperparameters of the paper's Table 2, shared by all modules of a network."""

    positions: tuple[int, ...]
    scales: tuple[float, ...]
    ratio: int
    convs: int
    fusion: str
    groups: int
    deepen: str = "all"

    def at(self, level: int) -> tuple[Op, ...]:
        """The modules of one bottleneck; the ratio doubles with the level, as (16, 32, 64) does over C3 to C5."""
        ratio = self.ratio * 2 ** (min(max(level, 3), 5) - 3)
        return tuple(
            op(
                "msfm",
                position=position,
                scales=self.scales,
                ratio=ratio,
                groups=self.groups or GROUPS[position],
                convs=self.convs,
                deepen=self.deepen,
                fusion=self.fusion,
            )
            for position in self.positions
        )


PUBLISHED = MsfmSettings((2, 3), SCALES[2], ratio=16, convs=2, fusion="add", groups=0)
"""The setting of the main tables."""


def choose_msfm(choose: Chooser) -> MsfmSettings:
    """Choose the hyperparameters; `groups` 0 means the paper's number for the position."""
    return MsfmSettings(
        positions=choose("msfm.positions", POSITIONS),
        scales=choose("msfm.scales", SCALES),
        ratio=choose("msfm.ratio", (16, 8, 32)),
        convs=choose("msfm.convs", (1, 2)),
        fusion=choose("msfm.fusion", ("add", "cat")),
        groups=choose("msfm.groups", (0, 1, 8, 16)),
    )


@dataclass(frozen=True)
class MsfmSpace:
    """The stages of a ResNet-50 with FPN that carry the module, and its hyperparameters."""

    name: str = "msfm"

    def build(self, choose: Chooser, /) -> Genotype:
        settings = choose_msfm(choose)
        carried = {level: choose(f"stage{level}.msfm", (True, False)) for level in STAGE_LEVELS[1:]}
        return resnet_fpn(msfm=lambda level: settings.at(level) if carried.get(level) else ())
