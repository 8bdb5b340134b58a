"""Operators as modules: one a file, one small table for each kind.

A builder takes the operator and what it needs to know of its surroundings, and returns a module:

| kind | builder | forward |
|---|---|---|
| stem | `(op, build)` | `(N, 3, H, W)` image -> list of maps, finest first |
| resample | `(op, source, target, build)` | `(x, (height, width))`: source's map -> target's level and channels |
| fuse | `(op, inputs, build)` | list of maps -> one map |
| block | `(op, entry, target, build)` | entry's map -> target's map |
"""
