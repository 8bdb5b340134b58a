"""ASFF's per-pixel fusion weights of a forward pass (arXiv 1911.09516, section 4.3 and Figure 5)."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch import Tensor, nn

from nas.decode import FeatureNode
from nas.ops.fuse.asff import Asff


@contextmanager
def fusion_weights(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Record the weights of every ASFF while the `with` block runs.

        with fusion_weights(detector) as weights:
            detector(images)
        weights["f3"][:, 0]  # how much the node f3 takes of its first input, (B, H, W)

    Args:
        model: a decoded backbone, or a detector on one.

    Yields:
        Node name -> weights of the latest forward pass: (B, N, H, W) detached, summing to 1 over the N inputs, in the
        order of the node's edges.
    """
    found: dict[str, Tensor] = {}

    def keep(name: str, module: nn.Module, maps: object, weights: Tensor) -> None:
        found[name] = weights.detach()

    hooks = [
        node.fuse.weights.register_forward_hook(partial(keep, path.rpartition(".")[2].removeprefix("node_")))
        for path, node in model.named_modules()
        if isinstance(node, FeatureNode) and isinstance(node.fuse, Asff)
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
