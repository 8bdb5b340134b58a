"""Operators as modules, and their costs: one operator per file, one small table per kind.

A builder takes an operator and the shapes around it, and returns a module:

| kind | builder | forward |
|---|---|---|
| stem | `(op, build)` | `(N, 3, H, W)` image -> list of maps, finest first |
| resample | `(op, source, target, build)` | `(x, (height, width))`: source's map -> target's level and channels |
| fuse | `(op, inputs, build)` | list of maps -> one map |
| block | `(op, entry, target, build)` | entry's map -> target's map |

Each kind's `cost.py` has the cost formulas: functions with the builder's arguments and a `Tally` in place of `build`,
which record the module's layers; a stem's also takes its output maps. Tables import the formulas at once and a builder
at its first call. A contract test keeps formulas and modules equal.
"""
