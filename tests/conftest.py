"""Puts this directory on the import path, so that every test can `from support import ...`; keeps torch to one thread.

Threads that wait for each other on shared cores make small tensors many times slower.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
