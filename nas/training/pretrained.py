"""Pretrained weights of a decoded backbone: a torchvision ResNet's, a timm model's, or a checkpoint's backbone's."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from textwrap import shorten

import torch
from torch import Tensor, nn

from nas.decode import Backbone
from nas.ops.block.residual import ResidualUnit
from nas.ops.deformable import DeformableConv
from nas.ops.stem.timm import TimmStem
from nas.training.blueprint import Blueprint
from nas.training.checkpoint import FORMAT, Checkpoint
from nas.training.errors import WeightsError
from nas.training.weights_file import common_prefix, read_state, saving
from search_spaces.genotype import Genotype
from search_spaces.rewrite import with_padding

_COUNTER = "num_batches_tracked"
"""Suffix of names of entries that old files lack."""
STAGES = {"node_c2": "layer1", "node_c3": "layer2", "node_c4": "layer3", "node_c5": "layer4"}


def read_weights(path: Path) -> dict[str, Tensor] | Checkpoint:
    """Read a state dict, safetensors by the file's suffix, or a checkpoint, without executing code from the file.

    Raises:
        WeightsError: no such file, or none of these formats.
        CheckpointError: the checkpoint is damaged.
    """
    raw = read_state(path)
    return Checkpoint.load(path) if raw.get("format") == FORMAT else raw


def taking_over(blueprint: Blueprint, checkpoint: Checkpoint) -> Blueprint:
    """The blueprint with the settings that a checkpoint's weights depend on: padding and the norms' epsilon.

    Raises:
        WeightsError: the backbones differ otherwise; the message names the first difference.
    """
    given = checkpoint.blueprint
    genotype = replace(given.genotype, head=blueprint.genotype.head)
    if different := _difference(with_padding(blueprint.genotype, "same"), with_padding(genotype, "same")):
        raise WeightsError(f"the checkpoint's backbone is another than the genotype's: they differ in {different}")
    detector = blueprint.detector.model_copy(update={"norm_epsilon": given.detector.norm_epsilon})
    return replace(blueprint, genotype=genotype, detector=detector)


def _difference(ours: Genotype, theirs: Genotype) -> str:
    """The first part in which the backbones of two genotypes differ; empty if none."""
    pairs = zip_longest(ours.nodes, theirs.nodes)
    node = next((f"node {(a or b).name!r}" for a, b in pairs if a != b), "")
    return "the stem" if ours.stem != theirs.stem else node or ("the outputs" if ours.outputs != theirs.outputs else "")


def backbone_of(detector: nn.Module) -> Backbone:
    """The decoded backbone inside a detector."""
    return next(m for m in detector.modules() if isinstance(m, Backbone))


def load_backbone(backbone: Backbone, weights: Mapping[str, Tensor] | Checkpoint) -> None:
    """Copy the result of `read_weights`: a checkpoint's backbone, timm's weights for a timm stem, else a ResNet's.

    Raises:
        WeightsError: the weights do not fit; nothing was changed.
    """
    if isinstance(weights, Checkpoint):
        _copy(backbone.state_dict(keep_vars=True), backbone_of(weights.restore()).state_dict())
        return
    stem = backbone.stem
    try:
        load_timm(stem, weights) if isinstance(stem, TimmStem) else load_resnet(backbone, weights)
    except WeightsError as error:
        wanted = stem.published_names() if isinstance(stem, TimmStem) else dict(_places(backbone))
        prefix = common_prefix(weights, [name for name in wanted if not name.endswith(_COUNTER)])
        hint = f"; those that fit begin with {prefix!r}: {saving('FILE', (), prefix)}" if prefix else ""
        raise WeightsError(f"{error}{hint}") from error


def load_timm(stem: TimmStem, weights: Mapping[str, Tensor]) -> None:
    """Copy a timm model's state dict into the stem built from it, without its classifier.

    Raises:
        WeightsError: the weights do not fit; nothing was changed.
    """
    if wrong := _not_finite(weights):
        raise WeightsError(f"weights do not fit timm's {stem.name}: {_first('NaN or infinite', wrong)}")
    try:
        stem.load(weights)
    except Exception as error:  # timm converts old names, and raises many types on foreign ones
        lines = str(error).splitlines()[1:4] or [repr(error)]  # a heading, then one line per kind of mismatch
        faults = "; ".join(shorten(line, 120, placeholder=" ...") for line in lines)
        raise WeightsError(f"weights do not fit timm's {stem.name}: {faults}") from error


def load_resnet(backbone: Backbone, weights: Mapping[str, Tensor]) -> None:
    """Copy a torchvision ResNet's state dict into the stem and the nodes c2 .. c5, without its classifier.

    Modules inside bottlenecks (MSFM), a deformable convolution's offsets and the neck keep their weights.

    Raises:
        WeightsError: the backbone is not a ResNet with these nodes, or the weights do not fit; nothing was changed.
    """
    _copy(dict(_places(backbone)), {name: x for name, x in weights.items() if not name.startswith("fc.")})


def _copy(places: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    counters = {name for name in places if name.endswith(_COUNTER)}
    misfits = [name for name, ours in places.items() if name in given and given[name].shape != ours.shape]
    shapes = f" ({tuple(given[misfits[0]].shape)}, here {tuple(places[misfits[0]].shape)})" if misfits else ""
    faults = [
        _first("missing", [name for name in places if name not in given and name not in counters]),
        _first("unexpected", [name for name in given if name not in places]),
        _first("of another shape", misfits) + shapes,
        _first("NaN or infinite", _not_finite(given)),
    ]
    if any(faults):
        raise WeightsError("weights do not fit the backbone: " + "; ".join(filter(None, faults)))
    with torch.no_grad():
        for name in places.keys() & given.keys():
            places[name].copy_(given[name])


def _not_finite(given: Mapping[str, Tensor]) -> list[str]:
    return [name for name, values in given.items() if not values.isfinite().all()]


def _first(what: str, names: list[str]) -> str:
    return f"{what}: {names[0]!r}" + (f" and {len(names) - 1} more" if len(names) > 1 else "") if names else ""


def _places(backbone: Backbone) -> Iterator[tuple[str, Tensor]]:
    """The backbone's tensors by torchvision's names."""
    if absent := [name for name in STAGES if name not in backbone.nodes]:
        raise WeightsError(
            f"the genotype is no ResNet with nodes c2 .. c5: it has no {absent[0].removeprefix('node_')}"
        )
    yield from _conv_norm(backbone.stem.get_submodule("conv"), "conv1", "bn1")
    for ours, theirs in STAGES.items():
        units = [m for m in backbone.nodes[ours].modules() if isinstance(m, ResidualUnit)]
        for i, unit in enumerate(units):
            convs = [m for m in unit.body.children() if isinstance(m, nn.Sequential)]
            for j, conv in enumerate(convs, 1):
                yield from _conv_norm(conv, f"{theirs}.{i}.conv{j}", f"{theirs}.{i}.bn{j}")
            if isinstance(unit.shortcut, nn.Sequential):
                yield from _conv_norm(unit.shortcut, f"{theirs}.{i}.downsample.0", f"{theirs}.{i}.downsample.1")


def _conv_norm(module: nn.Module, conv: str, norm: str) -> Iterator[tuple[str, Tensor]]:
    """Entries of a convolution, without a deformable one's offsets, and its norm."""
    first = module.get_submodule("0")
    first = first.conv if isinstance(first, DeformableConv) else first
    for part, prefix in ((first, conv), (module.get_submodule("1"), norm)):
        for name, value in part.state_dict(keep_vars=True).items():
            yield f"{prefix}.{name}", value
