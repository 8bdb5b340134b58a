"""Weights of the official SpineNet codes in a decoded network (arXiv 1912.05027; tf-models and the TPU release).

Both create their variables in one order: the stem; then block by block the edges in the order of its parents
(squeeze, down, widen) and the repeats (shortcut first); then the endpoints, finest first. Each convolution is
followed by its norm. So positions, not names, say what belongs where.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

import torch
from torch import Tensor, nn

from nas.decode import Backbone
from nas.importers.variables import Variable, Variables
from nas.ops.block.residual import ResidualUnit
from nas.training.checkpoint import CheckpointError


class Misfit(CheckpointError):
    """The weights of a file do not fit a network; the message names the first entries of each kind of misfit."""


@dataclass(frozen=True, eq=False)
class Slot:
    """A tensor of ours that takes a variable; kernels are HWIO there and OIHW here."""

    name: str
    role: str
    tensor: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its variable."""
        shape = tuple(self.tensor.shape)
        return (*shape[2:], shape[1], shape[0]) if self.role == "kernel" else shape


def import_weights(backbone: Backbone, variables: Variables) -> None:
    """Fill a network with a file's weights, or leave it as it is.

    Args:
        backbone: a decoded network of convolutions and batch norms.
        variables: the file.

    Raises:
        Misfit: a variable is missing, unexpected or of another shape, or the network has more than convolutions
            and batch norms; nothing was changed.
    """
    slots = list(creation_order(backbone))
    _check_covered(backbone, slots)
    if faults := _faults(slots, variables):
        raise Misfit(f"{variables.path} does not fit the network, nothing was imported: {'; '.join(faults)}")
    with torch.no_grad():
        for slot, variable in zip(slots, variables.ordered, strict=True):
            values = torch.tensor(variable.values)
            slot.tensor.copy_(values.permute(3, 2, 0, 1) if slot.role == "kernel" else values)


def creation_order(module: nn.Module, prefix: str = "") -> Iterator[Slot]:
    """The tensors of a network in the order in which the official codes create theirs."""
    if isinstance(module, nn.Conv2d):
        yield Slot(f"{prefix}weight", "kernel", module.weight)
        if module.bias is not None:
            yield Slot(f"{prefix}bias", "bias", module.bias)
    if isinstance(module, nn.BatchNorm2d):
        for role, name in _NORM.items():
            yield Slot(f"{prefix}{name}", role, module.state_dict()[name])
    children = dict(module.named_children())
    if isinstance(module, ResidualUnit):
        children = {"shortcut": children.pop("shortcut"), **children}
    for name, child in children.items():
        yield from creation_order(child, f"{prefix}{name}.")


_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def _check_covered(backbone: Backbone, slots: list[Slot]) -> None:
    known = {slot.name for slot in slots}
    rest = [name for name in backbone.state_dict() if name not in known and not name.endswith("num_batches_tracked")]
    if rest:
        raise Misfit(f"{rest[0]!r} has no counterpart in SpineNet's official codes: import into a published topology")


def _faults(slots: list[Slot], variables: Variables) -> list[str]:
    found: dict[str, list[str]] = {"missing": [], "unexpected": [], "mis-shaped": []}
    found["unexpected"] += [repr(name) for name in variables.unlisted]
    for slot, variable in _pairs(slots, variables.ordered):
        if slot is None:
            found["unexpected"] += [repr(variable.name)] if variable else []
        elif variable is None or variable.values is None:
            name = repr(variable.name) if variable else f"a {slot.role}"
            found["missing"].append(f"{name} of shape {slot.shape} for {slot.name}")
        elif variable.values.shape != slot.shape:
            found["mis-shaped"].append(f"{variable.name!r} is {variable.values.shape}, {slot.name} takes {slot.shape}")
    return [f"{len(entries)} {kind}, first {entries[0]}" for kind, entries in found.items() if entries]


def _pairs(slots: list[Slot], variables: tuple[Variable, ...]) -> Iterator[tuple[Slot | None, Variable | None]]:
    """Slots beside variables by position; where roles do not agree throughout, by the best alignment of shapes."""
    if [slot.role for slot in slots] == [variable.role for variable in variables]:
        yield from zip(slots, variables, strict=True)
        return
    ours = [(slot.role, slot.shape) for slot in slots]
    theirs = [(v.role, None if v.values is None else v.values.shape) for v in variables]
    for tag, i, i_end, j, j_end in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from zip(slots[i:i_end], variables[j:j_end], strict=True)
        else:
            yield from _unaligned(slots[i:i_end], variables[j:j_end])


def _unaligned(slots: list[Slot], variables: tuple[Variable, ...]) -> Iterator[tuple[Slot | None, Variable | None]]:
    """Pair what is of one role in turn; the rest stays alone."""
    left = list(variables)
    for slot in slots:
        match = next((v for v in left if v.role == slot.role), None)
        if match is not None:
            left.remove(match)
        yield slot, match
    for variable in left:
        yield None, variable
