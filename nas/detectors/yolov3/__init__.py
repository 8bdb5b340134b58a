"""YOLOv3 with guided anchors (ASFF, arXiv 1911.09516, section 3.1 and released code) on a decoded backbone.

`head` makes raw outputs, `grid` holds their positions and decodes boxes, `match` assigns outputs to objects, `loss`
compares the two, `detector` has torchvision's interface.
"""

from nas.detectors.yolov3.detector import Yolov3, build_yolov3

__all__ = ["Yolov3", "build_yolov3", "yolov3_cost"]
