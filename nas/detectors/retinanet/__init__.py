"""RetinaNet (arXiv 1708.02002) on a decoded backbone."""
