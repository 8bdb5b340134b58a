"""YOLOv3 with guided anchors (ASFF, arXiv 1911.09516, section 3.1 and released code) on a decoded backbone.

`head` makes raw outputs, `grid` knows where they lie and turns them into boxes, `match` says which of them answers for
which object, `loss` compares the two, `detector` puts them under torchvision's contract.
"""

from nas.detectors.yolov3.detector import Yolov3, build_yolov3

__all__ = ["Yolov3", "build_yolov3", "yolov3_cost"]
