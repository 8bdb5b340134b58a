"""Genotypes as JSON: strict parsing, canonical output."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from search_spaces.ops import GenotypeError, Op, op, short

if TYPE_CHECKING:
    from search_spaces.genotype import Edge, Genotype, Node

FORMAT = "fusion-nas/genotype"
VERSION = 1
MAX_BYTES = 1 << 20


@lru_cache(maxsize=4096)
def text(operator: Op) -> str:
    """Canonical JSON of an operator: equal operators have equal text."""
    return json.dumps(_op_out(operator), sort_keys=True, separators=(",", ":"))


def dump(genotype: "Genotype", *, indent: int | None) -> str:
    document = {
        "format": FORMAT,
        "version": VERSION,
        "stem": _op_out(genotype.stem),
        "nodes": [_node_out(node) for node in genotype.nodes],
        "outputs": genotype.outputs,
        "head": _op_out(genotype.head),
    }
    return json.dumps(document, indent=indent)


def load(document: str | bytes) -> "Genotype":
    """Parse and check a document of at most 1 MiB.

    Raises:
        GenotypeError: the message names the fault and its place.
    """
    if len(document) > MAX_BYTES:
        raise GenotypeError(f"a genotype has at most {MAX_BYTES} bytes, this document has {len(document)}")
    try:
        return _genotype_in(json.loads(document, object_pairs_hook=_no_repeats, parse_constant=_no_constant))
    except GenotypeError:
        raise
    except RecursionError:
        raise GenotypeError("not a genotype: nested too deeply") from None
    except ValueError as error:  # bad JSON, bad UTF-8, integers with too many digits
        raise GenotypeError(f"not JSON: {error}") from None


def _genotype_in(raw: object) -> "Genotype":
    from search_spaces.genotype import Genotype

    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise GenotypeError(f'not a genotype: expected an object with "format": "{FORMAT}"')
    if type(version := raw.get("version")) is not int or version != VERSION:
        raise GenotypeError(f"version {short(version)} of the format; this release reads {VERSION}")
    raw = _fields(raw, "genotype", ("format", "version", "stem", "nodes", "outputs", "head"))
    nodes = tuple(_node_in(n, f"nodes[{i}]") for i, n in enumerate(_list(raw["nodes"], "nodes")))
    outputs = tuple(_string(o, f"outputs[{i}]") for i, o in enumerate(_list(raw["outputs"], "outputs")))
    return Genotype(_op_in(raw["stem"], "stem"), nodes, outputs, _op_in(raw["head"], "head"))


def _op_out(operator: Op) -> dict[str, Any]:
    return {"op": operator.name, **{name: _value_out(value) for name, value in operator.attributes}}


def _value_out(value: Any) -> Any:
    if isinstance(value, Op):
        return _op_out(value)
    return [_value_out(v) for v in value] if isinstance(value, tuple) else value


def _node_out(node: "Node") -> dict[str, Any]:
    return {
        "name": node.name,
        "level": node.level,
        "width": node.width,
        "inputs": [{"from": edge.source, **_op_out(edge.op)} for edge in node.inputs],
        "fuse": _op_out(node.fuse),
        "block": _op_out(node.block),
    }


def _op_in(raw: object, where: str) -> Op:
    if not isinstance(raw, dict) or not isinstance(raw.get("op"), str):
        raise GenotypeError(f'{where}: expected an operator, an object with an "op" name')
    attributes = {name: _value_in(value, f"{where}.{name}") for name, value in raw.items() if name != "op"}
    try:
        return op(raw["op"], **attributes)
    except GenotypeError as error:
        raise GenotypeError(f"{where}: {error}") from None


def _value_in(raw: object, where: str) -> object:
    if isinstance(raw, dict):
        return _op_in(raw, where)
    return tuple(_value_in(v, f"{where}[{i}]") for i, v in enumerate(raw)) if isinstance(raw, list) else raw


def _node_in(raw: object, where: str) -> "Node":
    from search_spaces.genotype import Node

    raw = _fields(raw, where, ("name", "level", "width", "inputs", "fuse", "block"))
    return Node(
        name=_string(raw["name"], f"{where}.name"),
        level=_integer(raw["level"], f"{where}.level"),
        width=None if raw["width"] is None else _integer(raw["width"], f"{where}.width"),
        inputs=tuple(
            _edge_in(e, f"{where}.inputs[{i}]") for i, e in enumerate(_list(raw["inputs"], f"{where}.inputs"))
        ),
        fuse=_op_in(raw["fuse"], f"{where}.fuse"),
        block=_op_in(raw["block"], f"{where}.block"),
    )


def _edge_in(raw: object, where: str) -> "Edge":
    from search_spaces.genotype import Edge

    if not isinstance(raw, dict) or "from" not in raw:
        raise GenotypeError(f'{where}: expected an object with "from" and "op"')
    operator = {name: value for name, value in raw.items() if name != "from"}
    return Edge(_string(raw["from"], f"{where}.from"), _op_in(operator, where))


def _fields(raw: object, where: str, names: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise GenotypeError(f"{where}: expected an object with {', '.join(names)}")
    if unknown := sorted(set(raw) - set(names)):
        raise GenotypeError(f"{where}: unknown field {short(unknown[0])}; known: {', '.join(names)}")
    if missing := [name for name in names if name not in raw]:
        raise GenotypeError(f"{where}: field {missing[0]!r} is missing")
    return raw


def _list(raw: object, where: str) -> list[object]:
    if not isinstance(raw, list):
        raise GenotypeError(f"{where}: expected a list")
    return raw


def _string(raw: object, where: str) -> str:
    if not isinstance(raw, str):
        raise GenotypeError(f"{where}: expected a string")
    return raw


def _integer(raw: object, where: str) -> int:
    if type(raw) is not int:
        raise GenotypeError(f"{where}: expected a whole number")
    return raw


def _no_repeats(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise GenotypeError("an object names the same field twice")
    return dict(pairs)


def _no_constant(name: str) -> float:
    raise GenotypeError(f"{name} is not a legal number")
