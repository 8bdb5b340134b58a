"""`--scale`, `--classes` and `--head`: how a genotype is built, in every verb that builds one."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Protocol, TypeVar

from tyro.conf import arg

from experiments.commands.arguments import parse
from experiments.commands.genotype_argument import Named
from experiments.errors import UsageError
from search_spaces.genotype import Scale
from search_spaces.naming import unknown
from search_spaces.ops import OPS, GenotypeError, Kind, op
from search_spaces.zoo import published_scale


@dataclass(frozen=True)
class Network:
    """How a genotype is built; the defaults are a zoo entry's published values, or those of the run's search."""

    scale: Scale = Scale()  # noqa: RUF009 - a frozen value
    """Size of the network; these fields override those of --scale NAME."""
    scale_name: Annotated[str | None, arg(name="scale")] = None
    """Published scale to start from: 49s, 49s-256, 49, 96, 143, 190 or proxy."""
    classes: int | None = None
    """Number of classifier outputs; if omitted, as published, or in a training one per category, the minimum."""
    head: str | None = None
    """Head in place of the genotype's own: fcos, retinanet, yolov3, faster_rcnn, mask_rcnn or cascade_rcnn."""

    def of(self, named: Named) -> Named:
        """The genotype with this head, scale and class count; the label gets the names of scale and head.

        Raises:
            UsageError: the head is unknown (the message suggests the nearest name), or `classes` is below 1.
            GenotypeError: the head cannot read the genotype's outputs.
        """
        if self.classes is not None and self.classes < 1:
            raise UsageError(f"--classes {self.classes}: a classifier has at least 1 output")
        return replace(
            named,
            genotype=named.genotype if self.head is None else replace(named.genotype, head=op(_known(self.head))),
            label="-".join(part for part in (named.label, self.scale_name, self.head) if part),
            scale=self.scale,
            num_classes=self.classes or named.num_classes,
        )


class WithNetwork(Protocol):
    @property
    def network(self) -> Network: ...


T = TypeVar("T", bound=WithNetwork)


def with_head_flag(arguments: Sequence[str]) -> list[str]:
    """Replace `--detector NAME`, the former name of `--head`, and print a line on standard error that says so."""
    if any(argument.split("=")[0] == "--detector" for argument in arguments):
        print("--detector NAME is now called --head NAME", file=sys.stderr)
    return [a.replace("--detector", "--head", 1) if a.split("=")[0] == "--detector" else a for a in arguments]


def parse_network(kind: type[T], verb: str, flags: Sequence[str], before: Callable[[Scale | None], T]) -> T:
    """Parse flags; a published scale that they name replaces the default scale.

    Args:
        kind: class of the result.
        verb: verb that the flags belong to, for usage messages.
        flags: command-line flags.
        before: default value of the result at a given scale; None keeps its own scale.

    Raises:
        UsageError: the scale name is unknown; the message lists the known ones.
    """
    asked = parse(kind, verb, flags, before(None))
    if asked.network.scale_name is None:
        return asked
    try:
        scale = published_scale(asked.network.scale_name)
    except GenotypeError as error:
        raise UsageError(f"--scale: {error}") from None
    return parse(kind, verb, flags, before(scale))


def _known(head: str) -> str:
    heads = [name for name, spec in OPS.items() if spec.kind is Kind.head]
    if head not in heads:
        raise UsageError(f"--head: {unknown('head', head, heads)}")
    return head
