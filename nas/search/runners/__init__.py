"""Runners: trials are evaluated in this process, in a pool of processes, or by Ray Tune."""
