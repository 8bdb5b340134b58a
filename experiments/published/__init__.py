"""The published numbers that ours are compared with, one module per system.

A row is a `Figure`: the number as printed, a function that computes ours, and the rounding that the source applies.
To add a system, write a module with `FIGURES` and add it here; the row of a detector in the zoo is

    Figure("SpineNet", "49 with RetinaNet, M parameters", 28.5, lambda: of_zoo("spinenet-49").parameters, millions(1))

`nas published` prints all rows, and fails if a difference exceeds its row's tolerance.
"""

from experiments.published import asff, dsa, msfm, necks, retinanet, spinenet
from experiments.published.figure import Figure

FIGURES: tuple[Figure, ...] = (
    *spinenet.FIGURES,
    *retinanet.FIGURES,
    *asff.FIGURES,
    *msfm.FIGURES,
    *dsa.FIGURES,
    *necks.FIGURES,
)
