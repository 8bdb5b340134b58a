"""`--scale`, `--classes` and `--head`: how a genotype is built, in every verb that builds one."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, TypeVar

from typing_extensions import TypedDict  # pydantic refuses typing's own before Python 3.12
from tyro.conf import arg

from experiments.commands.arguments import parse
from experiments.commands.genotype_argument import Named
from experiments.errors import UsageError
from search_spaces.genotype import Scale
from search_spaces.naming import unknown
from search_spaces.ops import OPS, GenotypeError, Kind, op
from search_spaces.zoo import published_scale

T = TypeVar("T")


class ScaleOverrides(TypedDict, total=False):
    """The fields of a scale that flags give, None included; the others stay as they are."""

    width: float
    repeats: int
    alpha: float
    output_width: int
    head_width: int | None
    head_depth: int
    stem: float
    anchor_base: float | None


ScaleOverrides.__doc__ = Scale.__doc__  # holds the help of the flags


@dataclass(frozen=True)
class Network:
    """How a genotype is built: what flags change of its published or searched scale, class count and head."""

    scale: ScaleOverrides = field(default_factory=ScaleOverrides)
    """Size of the network; these fields override those of --scale NAME, or else of the published or searched scale."""
    scale_name: Annotated[str | None, arg(name="scale")] = None
    """Published scale to start from: 49s, 49s-256, 49, 96, 143, 190 or proxy."""
    classes: int | None = None
    """Number of classifier outputs; if omitted, as published, or in a training one per category, the minimum."""
    head: str | None = None
    """Head in place of the genotype's own: fcos, retinanet, yolov3, faster_rcnn, mask_rcnn or cascade_rcnn."""

    def of(self, named: Named) -> Named:
        """The genotype with this head, scale and class count; the label gets the names of scale and head.

        Raises:
            UsageError: the head or the scale is unknown (the message suggests the nearest name), a field of the scale
                is out of bounds, or `classes` is below 1.
            GenotypeError: the head cannot read the genotype's outputs.
        """
        if self.classes is not None and self.classes < 1:
            raise UsageError(f"--classes {self.classes}: a classifier has at least 1 output")
        return replace(
            named,
            genotype=named.genotype if self.head is None else replace(named.genotype, head=op(_known(self.head))),
            label="-".join(part for part in (named.label, self.scale_name, self.head) if part),
            scale=self._scale(named.scale),
            num_classes=self.classes or named.num_classes,
        )

    def _scale(self, start: Scale) -> Scale:
        if self.scale_name is not None:
            try:
                start = published_scale(self.scale_name)
            except GenotypeError as error:
                raise UsageError(f"--scale: {error}") from None
        try:
            return replace(start, **self.scale)
        except GenotypeError as error:
            raise UsageError(f"--{error}") from None


def parse_network(kind: type[T], verb: str, arguments: Sequence[str], default: T | None = None) -> T:
    """Parse arguments that hold a `Network`; `--detector NAME`, the former name of `--head`, is reported as such.

    Args:
        kind: class of the result.
        verb: verb that the arguments belong to, for usage messages.
        arguments: command-line arguments.
        default: defaults of the result; if omitted, those of the class.
    """
    if any(argument.split("=")[0] == "--detector" for argument in arguments):
        print("--detector NAME is now called --head NAME", file=sys.stderr)
        arguments = [a.replace("--detector", "--head", 1) if a.split("=")[0] == "--detector" else a for a in arguments]
    return parse(kind, verb, arguments, default)


def _known(head: str) -> str:
    heads = [name for name, spec in OPS.items() if spec.kind is Kind.head]
    if head not in heads:
        raise UsageError(f"--head: {unknown('head', head, heads)}")
    return head
