"""Import of the official SpineNet codes' weights into a decoded network (arXiv 1912.05027; tf-models, TPU release).

Both codes create their variables in the same order: the stem; then for each block the edges in the order of its
parents (squeeze, down, widen) and the repeats (shortcut first); then the endpoints, finest first. Each convolution
is followed by its norm. So variables are matched by position, not by name. A head's variables are skipped: the codes'
order of them, of anchors and of box sides is not known here.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

import torch
from torch import Tensor, nn

from nas.importers.variables import ORDER, Variable, Variables
from nas.ops.block.residual import ResidualUnit
from nas.training.errors import CheckpointError


class Misfit(CheckpointError):
    """The weights of a file do not fit a network; the message names the first fault of each kind."""


@dataclass(frozen=True, eq=False)
class Slot:
    """A tensor of the network, target of one variable; kernels are HWIO in TensorFlow and OIHW here."""

    name: str
    role: str
    tensor: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the TensorFlow variable."""
        shape = tuple(self.tensor.shape)
        return (*shape[2:], shape[1], shape[0]) if self.role == "kernel" else shape


def import_weights(backbone: nn.Module, variables: Variables) -> None:
    """Load a file's weights into a network, all of them or none.

    Args:
        backbone: a decoded network of convolutions and batch norms.
        variables: the file's variables.

    Raises:
        Misfit: a variable is missing, unexpected, of another shape or out of order, or the network has other weights
            than those of convolutions and batch norms; nothing was changed.
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
    """The tensors of a network in the official codes' order of creation."""
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


def _check_covered(backbone: nn.Module, slots: list[Slot]) -> None:
    known = {slot.name for slot in slots}
    rest = [name for name in backbone.state_dict() if name not in known and not name.endswith("num_batches_tracked")]
    if rest:
        raise Misfit(f"{rest[0]!r} has no counterpart in SpineNet's official codes: import into a published topology")


Pair = tuple[Slot | None, Variable | None]


def _faults(slots: list[Slot], variables: Variables) -> list[str]:
    """Descriptions of the faults: for each kind the number and the first."""
    if _only_misordered(slots, variables):
        return [f"the right variables, but not in their order of creation: list the names in that order in {ORDER!r}"]
    found = min((_by_kind(pairs) for pairs in _pairings(slots, variables.ordered)), key=_number)
    found["unexpected"] = [repr(name) for name in variables.unlisted] + found["unexpected"]
    return [f"{len(entries)} {kind}, first {entries[0]}" for kind, entries in found.items() if entries]


def _only_misordered(slots: list[Slot], variables: Variables) -> bool:
    """Whether roles and shapes agree up to their order."""
    ours = [(slot.role, slot.shape) for slot in slots]
    theirs = [(v.role, v.values.shape) for v in variables.ordered if v.values is not None]
    return not variables.unlisted and ours != theirs and Counter(ours) == Counter(theirs)


def _number(found: dict[str, list[str]]) -> int:
    return sum(map(len, found.values()))


def _by_kind(pairs: list[Pair]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"missing": [], "unexpected": [], "mis-shaped": []}
    for slot, variable in pairs:
        if slot is None:
            found["unexpected"] += [repr(variable.name)] if variable else []
        elif variable is None or variable.values is None:
            name = repr(variable.name) if variable else f"a {slot.role}"
            found["missing"].append(f"{name} of shape {slot.shape} for {slot.name}")
        elif variable.values.shape != slot.shape:
            found["mis-shaped"].append(f"{variable.name!r} is {variable.values.shape}, {slot.name} takes {slot.shape}")
    return found


def _pairings(slots: list[Slot], variables: tuple[Variable, ...]) -> Iterator[list[Pair]]:
    """Alignments of slots and variables: by position if the roles agree, else by kernel sizes and by whole shapes."""
    if [slot.role for slot in slots] == [variable.role for variable in variables]:
        yield list(zip(slots, variables, strict=True))
        return
    ours = [(slot.role, slot.shape) for slot in slots]
    theirs = [(v.role, () if v.values is None else v.values.shape) for v in variables]
    for key in (_coarse, _whole):
        matcher = SequenceMatcher(None, [key(x) for x in ours], [key(x) for x in theirs], autojunk=False)
        yield [pair for block in matcher.get_opcodes() for pair in _pairs(block, slots, variables)]


Shaped = tuple[str, tuple[int, ...]]


def _whole(entry: Shaped) -> Shaped:
    return entry


def _coarse(entry: Shaped) -> Shaped:
    """The part of an entry that is independent of scale: the role, and a kernel's height and width."""
    role, shape = entry
    return role, shape[:2] if role == "kernel" else ()


def _pairs(block: tuple[str, int, int, int, int], slots: list[Slot], variables: tuple[Variable, ...]) -> Iterator[Pair]:
    """The pairs of one block of an alignment; in a differing block, pairs of equal role in order, the rest unpaired."""
    tag, i, i_end, j, j_end = block
    left = list(variables[j:j_end])
    for slot in slots[i:i_end]:
        match = next((v for v in left if tag == "equal" or v.role == slot.role), None)
        if match is not None:
            left.remove(match)
        yield slot, match
    for variable in left:
        yield None, variable
