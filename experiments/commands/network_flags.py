"""`--scale`, `--classes` and `--detector`: what a genotype is built as, in every verb that builds one."""

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
    """What a genotype is built as; a zoo entry without these flags as published, a run as it was searched."""

    scale: Scale = Scale()  # noqa: RUF009 - a frozen value
    """How big."""
    scale_name: Annotated[str | None, arg(name="scale")] = None
    """A published scale to begin with: 49s, 49s-256, 49, 96, 143, 190 or proxy."""
    classes: int | None = None
    """Outputs of the classifier; a training has one for each category of its data, or as many more as are given."""
    head: Annotated[str | None, arg(name="detector")] = None
    """Another head than the genotype's own, at its defaults, e.g. faster_rcnn."""

    def of(self, named: Named) -> Named:
        """The genotype under that head, at that scale, with that many classes; the label tells the names given.

        Raises:
            UsageError: no such head (the message suggests the nearest), or no class.
            GenotypeError: the head cannot read what the genotype puts out.
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


def parse_network(kind: type[T], verb: str, flags: Sequence[str], before: Callable[[Scale | None], T]) -> T:
    """Flags as a typed value, whose scale begins as the published one that they name.

    Args:
        kind: what they are read into.
        verb: whose flags they are.
        flags: as given.
        before: the value before any flag, at a scale; None leaves the scale to it.

    Raises:
        UsageError: no scale of that name; the message lists them.
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
        raise UsageError(f"--detector: {unknown('detector', head, heads)}")
    return head
