"""Operators as modules, and what they cost: one a file, one small table for each kind.

A builder takes the operator and what it needs to know of its surroundings, and returns a module:

| kind | builder | forward |
|---|---|---|
| stem | `(op, build)` | `(N, 3, H, W)` image -> list of maps, finest first |
| resample | `(op, source, target, build)` | `(x, (height, width))`: source's map -> target's level and channels |
| fuse | `(op, inputs, build)` | list of maps -> one map |
| block | `(op, entry, target, build)` | entry's map -> target's map |

In `cost.py` of its kind stands a function that tells a `Tally`, in the builder's place of `build`, the layers that the
module runs; a stem's is also told the maps it makes. Tables import formulas, and a builder once it builds. Formulas and
modules are held together by a contract test.
"""
