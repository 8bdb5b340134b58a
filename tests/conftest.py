"""Puts this directory on the import path, so that every test can `from support import ...`, and evens out machines.

Torch keeps to one thread: threads that wait for each other on shared cores make small tensors many times slower.
Interrupts are heard: a shell has them ignored in what it starts in the background, and in all that this starts.
"""

import os
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")
signal.signal(signal.SIGINT, signal.default_int_handler)
