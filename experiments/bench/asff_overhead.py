"""What ASFF costs over plain sums in the same detector: `python -m experiments.bench.asff_overhead`.

Inference of yolov3-asff up to its outputs, on CPU, against the genotype with each ASFF node fused by a sum; resampling
and head stay.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from experiments.bench.interleaved import interleaved
from nas.detectors import build_detector
from search_spaces.genotype import Genotype, Scale
from search_spaces.ops import op
from search_spaces.zoo import zoo


def summed(genotype: Genotype) -> Genotype:
    """The genotype with a sum wherever it fuses by ASFF."""
    nodes = (
        replace(node, fuse=op("sum", act=node.fuse["act"])) if node.fuse.name == "asff" else node
        for node in genotype.nodes
    )
    return replace(genotype, nodes=tuple(nodes))


def inference(genotype: Genotype, scale: Scale, images: Tensor) -> Callable[[], object]:
    """One pass at a call."""
    detector = build_detector(genotype, scale, zoo("yolov3-asff").num_classes).eval()

    def run() -> object:
        with torch.inference_mode():
            return detector.network(images)  # type: ignore[operator]

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-size", type=int, default=256, help="px")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--width", type=float, default=0.25, help="multiplier of the widths")
    options = parser.parse_args()
    genotype, scale = zoo("yolov3-asff").genotype, Scale(width=options.width, stem=options.width)
    images = torch.rand(options.batch, 3, options.image_size, options.image_size)
    asff, plain = (inference(g, scale, images) for g in (genotype, summed(genotype)))
    print(f"asff over sum: {interleaved(asff, plain, options.rounds)}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
