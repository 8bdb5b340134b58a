"""MSFM (OpenReview 6IVdytR2W90): the 57 parameter counts of Tables 2, 3, 4 and 6.

The paper prints the counts of mmdet: trainable parameters with the stem and the first stage frozen, rounded to two
decimals and then to one. Detectors come from the zoo, with and without the module; for detectors that the zoo lacks,
the parameters of the module are added to those in `FOREIGN_BASELINES`.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from experiments.published.count import added_by_msfm, of_zoo
from experiments.published.figure import Figure, millions
from search_spaces.msfm import PUBLISHED, MsfmSettings

ZOO_BASELINES = {
    "Faster R50": "faster-rcnn-r50-fpn",
    "Cascade R50": "cascade-rcnn-r50-fpn",
    "Faster R101": "faster-rcnn-r101-fpn",
    "RetinaNet R50": "retinanet-r50-fpn",
    "Faster R50 Dconv": "faster-rcnn-r50-fpn-dconv",
    "Mask R50": "mask-rcnn-r50-fpn",
    "Cascade R101": "cascade-rcnn-r101-fpn",
}
"""Zoo entries of the detectors without the module; the entries with it end in `-msfm`."""
FOREIGN_BASELINES = {
    "Grid R50": 64_322_857,
    "Dynamic R50": 41_527_712,
    "RepPoints R50": 36_620_150,
}
"""Trainable parameters of mmdet's detectors that are not in the zoo."""
FOREIGN_NOTE = "the detector's own parameters are mmdet's count; it is not in the zoo"

S3, L3, S5, F4, F5 = (
    (0.5, 0.7, 1.0),
    (1.0, 1.4, 2.0),
    (0.5, 0.6, 0.7, 0.85, 1.0),
    (0.5, 0.7, 1.4, 2.0),
    (0.5, 0.7, 1.0, 1.4, 2.0),
)
"""Branch scales of Table 2. For 5S and 4 only their number and how many exceed 1 are certain, which fix the count."""
BASE = MsfmSettings((3,), S3, ratio=16, convs=1, fusion="add", groups=16)
"""The base setting of the ablations in Table 2."""
DEEP = replace(BASE, convs=2, groups=32)
PART = replace(DEEP, deepen="enlarging")
"""The paper's conv_num 2*."""


def _at(position: int, ratio: int = 16, groups: int = 16, fusion: str = "add") -> MsfmSettings:
    return replace(BASE, positions=(position,), ratio=ratio, groups=groups, fusion=fusion)


ABLATIONS: tuple[tuple[str, float, MsfmSettings], ...] = (
    ("T2 scales 3S", 42.9, BASE),
    ("T2 scales 5S", 43.1, replace(BASE, scales=S5)),
    ("T2 scales 3L", 42.8, replace(BASE, scales=L3)),
    ("T2 scales 4", 43.0, replace(BASE, scales=F4)),
    ("T2 scales 5", 43.1, replace(BASE, scales=F5)),
    ("T2 ratios (8, 16, 32) pos 3", 44.9, _at(3, 8)),
    ("T2 ratios (16, 32, 64) pos 3", 42.9, _at(3)),
    ("T2 ratios (32, 64, 128) pos 3", 42.1, _at(3, 32)),
    ("T2 ratios (4, 8, 16) pos 1", 42.1, _at(1, 4)),
    ("T2 ratios (8, 16, 32) pos 1", 41.8, _at(1, 8)),
    ("T2 ratios (16, 32, 64) pos 1", 41.6, _at(1)),
    *((f"T2 norm_group {groups} pos 3", 42.9, _at(3, groups=groups)) for groups in (4, 8, 16, 32)),
    *((f"T2 norm_group {groups} pos {p}", 41.6, _at(p, groups=groups)) for p in (2, 1) for groups in (1, 4, 8)),
    ("T2 conv_num 1 scales 3S pos 3", 42.9, replace(BASE, groups=32)),
    ("T2 conv_num 2 scales 3S pos 3", 43.2, DEEP),
    ("T2 conv_num 2* scales 5 pos 3", 43.3, replace(PART, scales=F5)),
    ("T2 conv_num 2 scales 5 pos 3", 43.7, replace(DEEP, scales=F5)),
    ("T2 conv_num 2* scales 3L pos 3", 43.1, replace(PART, scales=L3)),
    ("T2 conv_num 2 scales 3L pos 3", 43.2, replace(DEEP, scales=L3)),
    ("T2 conv_num 2* scales 4 pos 3", 43.2, replace(PART, scales=F4)),
    ("T2 conv_num 2 scales 4 pos 3", 43.5, replace(DEEP, scales=F4)),
    ("T2 fusion add pos 3", 42.9, _at(3)),
    ("T2 fusion cat pos 3", 43.8, _at(3, fusion="cat")),
    ("T2 fusion add pos 1", 41.6, _at(1)),
    ("T2 fusion cat pos 1", 41.7, _at(1, fusion="cat")),
    ("T3 positions (1, 2)", 41.8, replace(PUBLISHED, positions=(1, 2))),
    ("T3 positions (1, 3)", 43.9, replace(PUBLISHED, positions=(1, 3))),
    ("T3 positions (2, 3)", 43.9, PUBLISHED),
    ("T3 positions (1, 2, 3)", 44.0, replace(PUBLISHED, positions=(1, 2, 3))),
)
"""Ablations on Faster R-CNN with ResNet-50: (row, published millions, setting)."""

DETECTORS: tuple[tuple[str, float, float], ...] = (
    ("Faster R50", 41.5, 43.9),
    ("Cascade R50", 69.2, 71.5),
    ("Grid R50", 64.3, 66.7),
    ("Dynamic R50", 41.5, 43.9),
    ("Faster R101", 60.5, 65.8),
    ("RetinaNet R50", 37.7, 40.1),
    ("Faster R50 Dconv", 42.1, 44.4),
    ("RepPoints R50", 36.6, 38.9),
    ("Mask R50", 44.2, 46.5),
)
"""Tables 4 and 5: (row, published millions without, with the module at positions 2 and 3)."""

INCONSISTENT = {
    "T2 scales 3L": "error in the paper: 3S and 3L have three equal branches, yet 42.9 and 42.8 are printed",
    "T4 Grid R50 + MSFM(2,3)": "error in the paper: every other detector gains 2.32 M, which gives 66.64",
}
"""Rows that are inconsistent with the others under every form of the module."""


def baseline(name: str) -> int:
    """Trainable parameters of a detector without the module."""
    if name in FOREIGN_BASELINES:
        return FOREIGN_BASELINES[name]
    return of_zoo(ZOO_BASELINES[name]).trainable_parameters


def with_msfm(name: str) -> int:
    """Trainable parameters of a detector with the published module at positions 2 and 3."""
    if name in FOREIGN_BASELINES:
        return FOREIGN_BASELINES[name] + added_by_msfm(PUBLISHED)
    return of_zoo(f"{ZOO_BASELINES[name]}-msfm").trainable_parameters


def _figure(name: str, published: float, ours: Callable[[], int], *, foreign: bool = False) -> Figure:
    error = INCONSISTENT.get(name, "")
    note = error or (FOREIGN_NOTE if foreign else "")
    return Figure("MSFM", f"{name}, M parameters", published, ours, millions(2, 1), 0.1 if error else 0, note)


def _ablation(settings: MsfmSettings) -> Callable[[], int]:
    return lambda: baseline("Faster R50") + added_by_msfm(settings)


def _figures() -> Iterator[Figure]:
    yield _figure("T2 baseline", 41.5, partial(baseline, "Faster R50"))
    for name, published, settings in ABLATIONS:
        yield _figure(name, published, _ablation(settings))
    for name, without, with_ in DETECTORS:
        foreign = name in FOREIGN_BASELINES
        yield _figure(f"T4 {name}", without, partial(baseline, name), foreign=foreign)
        yield _figure(f"T4 {name} + MSFM(2,3)", with_, partial(with_msfm, name), foreign=foreign)
    yield _figure("T6 Cascade R101 + MSFM(2,3)", 93.4, partial(with_msfm, "Cascade R101"))


FIGURES = tuple(_figures())
