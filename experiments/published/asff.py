"""ASFF (arXiv 1911.09516): its YOLOv3 networks with 80 classes, counted from the released code."""

from collections.abc import Iterator

from experiments.published.count import of_zoo
from experiments.published.figure import Figure, billions

NETWORKS: dict[str, tuple[int, dict[int, float]]] = {
    "yolov3": (75_554_428, {320: 22.489, 416: 38.007, 608: 81.187, 800: 140.559}),
    "yolov3-rfb": (82_181_692, {320: 24.003, 416: 40.566, 608: 86.652, 800: 150.02}),
    "yolov3-asff": (79_409_493, {320: 23.959, 416: 40.49, 608: 86.49, 800: 149.741}),
    "yolov3-asff-rfb": (86_011_821, {320: 25.459, 416: 43.025, 608: 91.906, 800: 159.117}),
    "yolov3-mobilenetv2": (24_800_532, {320: 5.687, 416: 9.612, 608: 20.531}),
    "yolov3-mobilenetv2-asff": (27_141_613, {320: 6.033, 416: 10.195, 608: 21.778}),
}
"""Zoo entry -> parameters, and GMACs by image size, of all convolutions, deformable ones included."""
_NOTE = "counted from the released code"


def _parameters(name: str, published: int) -> Figure:
    return Figure("ASFF", f"{name}, parameters", published, lambda: of_zoo(name).parameters, note=_NOTE)


def _macs(name: str, image_size: int, published: float) -> Figure:
    def ours() -> int:
        return of_zoo(name, image_size).macs

    return Figure("ASFF", f"{name} at {image_size} px, GMACs", published, ours, billions(3), note=_NOTE)


def _figures() -> Iterator[Figure]:
    for name, (parameters, by_size) in NETWORKS.items():
        yield _parameters(name, parameters)
        for image_size, published in by_size.items():
            yield _macs(name, image_size, published)


FIGURES = tuple(_figures())
