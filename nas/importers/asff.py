"""Conversion of state dicts of ASFF's released modules to this project's names (arXiv 1911.09516, released code).

fuse, expand = fusion_state(torch.load(path, weights_only=True))
backbone.nodes["node_f4"].load_state_dict(fuse)
backbone.nodes["node_p4"].load_state_dict(expand)
"""

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

State = dict[str, Tensor]

_FUSE = (
    (re.compile(r"(?:compress|stride)_level_(\d+)\.conv\."), r"edges.\1.conv.0."),
    (re.compile(r"(?:compress|stride)_level_(\d+)\.batch_norm\."), r"edges.\1.conv.1."),
    (re.compile(r"weight_level_(\d+)\.conv\."), r"fuse.weights.compress.\1.0."),
    (re.compile(r"weight_level_(\d+)\.batch_norm\."), r"fuse.weights.compress.\1.1."),
    (re.compile(r"weight_levels\."), "fuse.weights.score."),
)
_EXPAND = ((re.compile(r"expand\.conv\."), "block.conv."), (re.compile(r"expand\.batch_norm\."), "block.norm."))
_HEAD = (
    (re.compile(r"Feature_adaption\.rfb\.[a-z_.]*(\d+)\.(\d+)\."), r"rfb.branches.\1.\2."),
    (re.compile(r"guide_wh\."), "guide."),
    (re.compile(r"Feature_adaption\.conv_offset\."), "offset."),
    (re.compile(r"Feature_adaption\.dconv\."), "adapt."),
    (re.compile(r"conv\."), "out."),
)


def fusion_state(released: Mapping[str, Tensor]) -> tuple[State, State]:
    """A released fusion module -> states of the fusing and of the expanding node, levels coarsest first.

    Raises:
        KeyError: an unexpected entry.
    """
    fuse = {name: x for name, x in released.items() if not name.startswith("expand.")}
    expand = {name: x for name, x in released.items() if name.startswith("expand.")}
    return _with_counters(_renamed(fuse, _FUSE)), _with_counters(_renamed(expand, _EXPAND))


def head_state(released: Mapping[str, Tensor]) -> State:
    """A released head -> state of a `GuidedHead`.

    Raises:
        KeyError: an unexpected entry.
    """
    return _renamed(released, _HEAD)


def _renamed(released: Mapping[str, Tensor], rules: tuple[tuple[re.Pattern[str], str], ...]) -> State:
    return dict(_rename(released, rules))


def _rename(
    released: Mapping[str, Tensor], rules: tuple[tuple[re.Pattern[str], str], ...]
) -> Iterator[tuple[str, Tensor]]:
    for name, x in released.items():
        for pattern, ours in rules:
            if pattern.match(name):
                yield pattern.sub(ours, name, count=1), x
                break
        else:
            raise KeyError(f"{name}: unexpected in a released module of this kind")


def _with_counters(state: State) -> State:
    """Add `num_batches_tracked` to norms: the release predates it."""
    counters = {
        name.replace("running_var", "num_batches_tracked"): torch.tensor(0) for name in state if "running_var" in name
    }
    return counters | state
