"""Detection data: COCO directories, composed digit scenes, and letterboxed copies of both."""
