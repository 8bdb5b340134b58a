"""Operators as modules, and their costs: one operator per file, one small table per kind.

A builder takes an operator and the shapes around it, and returns a module:

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
