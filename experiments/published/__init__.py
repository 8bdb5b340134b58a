"""Every published figure that ours are held to, one module a system.

A row is a `Figure`: the number as printed, a function that computes ours, and the rounding that the source applies.
To add a system, write a module with `FIGURES` and name it here; where a detector is in the zoo, its row is

    Figure("SpineNet", "49 with RetinaNet, M parameters", 28.5, lambda: of_zoo("spinenet-49").parameters, millions(1))

`nas published` prints all of them, and fails where a difference exceeds a row's tolerance.
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
