"""A genotype survives JSON; an invalid or hostile document is refused quickly, and the error names the field."""

import itertools
import json
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from search_spaces.choose import sample
from search_spaces.genotype import Edge, Genotype, Node
from search_spaces.ops import GenotypeError, op
from search_spaces.registry import SPACES
from search_spaces.zoo import ZOO, zoo


def document(**changes: Any) -> dict[str, Any]:
    """A legal document of two nodes, with fields replaced."""
    edges = Edge("stem2", op("lateral")), Edge("a", op("lateral"))
    nodes = [
        Node(name, level, 64, (edge,), block=op("conv")) for name, level, edge in zip("ab", (3, 4), edges, strict=True)
    ]
    return {**json.loads(Genotype(op("resnet_stem"), tuple(nodes), ("a", "b"), op("fcos")).to_json()), **changes}


def load(raw: object) -> Genotype:
    return Genotype.from_json(json.dumps(raw))


def test_the_document_without_changes_is_legal() -> None:
    assert load(document()).levels == (3, 4)


BAD_DOCUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "another format": (document(format="onnx"), "not a genotype"),
    "a later version": (document(version=2), "version 2"),
    "a version of another type": (document(version=True), "version True"),
    "no version": ({k: v for k, v in document().items() if k != "version"}, "version None"),
    "an unknown field": (document(author="x"), "unknown field 'author'"),
    "a missing field": ({k: v for k, v in document().items() if k != "head"}, "'head' is missing"),
    "nodes not a list": (document(nodes={}), "nodes: expected a list"),
    "outputs not a list": (document(outputs="ab"), "outputs: expected a list"),
    "output not a string": (document(outputs=[3]), r"outputs\[0\]: expected a string"),
    "stem not an operator": (document(stem="resnet_stem"), "stem: expected an operator"),
    "operator name not a string": (document(stem={"op": ["conv"]}), "stem: expected an operator"),
    "node not an object": (document(nodes=[None]), r"nodes\[0\]: expected an object"),
    "an attribute called name": (document(head={"op": "fcos", "name": 1}), "head: .*no attribute 'name'"),
    "bad part": (
        document(head={"op": "fcos", "attention": [{}]}),
        r"head\.attention\[0\]: expected an oper",
    ),
}
BAD_NODE_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"depth": 1}, r"nodes\[0\]: unknown field 'depth'"),
    "level a float": ({"level": 3.0}, r"nodes\[0\]\.level: expected a whole number"),
    "level a bool": ({"level": True}, r"nodes\[0\]\.level: expected a whole number"),
    "width text": ({"width": "64"}, r"nodes\[0\]\.width: expected a whole number"),
    "name a number": ({"name": 1}, r"nodes\[0\]\.name: expected a string"),
    "inputs null": ({"inputs": None}, r"nodes\[0\]\.inputs: expected a list"),
    "input without source": ({"inputs": [{"op": "lateral"}]}, r"nodes\[0\]\.inputs\[0\]: .*from"),
    "source a number": ({"inputs": [{"from": 1, "op": "lateral"}]}, r"nodes\[0\]\.inputs\[0\]\.from"),
    "illegal attribute": ({"block": {"op": "conv", "kernel": 99}}, r"nodes\[0\]\.block: conv\.kernel: 99"),
}


@pytest.mark.parametrize("case", BAD_DOCUMENTS)
def test_an_invalid_field_is_named(case: str) -> None:
    raw, message = BAD_DOCUMENTS[case]
    with pytest.raises(GenotypeError, match=message):
        load(raw)


@pytest.mark.parametrize("case", BAD_NODE_FIELDS)
def test_an_invalid_field_of_a_node_is_named(case: str) -> None:
    fields, message = BAD_NODE_FIELDS[case]
    raw = document()
    raw["nodes"][0].update(fields)
    with pytest.raises(GenotypeError, match=message):
        load(raw)


def test_a_node_without_a_field_is_refused() -> None:
    for field in document()["nodes"][0]:
        raw = document()
        del raw["nodes"][0][field]
        with pytest.raises(GenotypeError, match=rf"nodes\[0\]: field '{field}' is missing"):
            load(raw)


def _with_kernel(value: str) -> str:
    """A legal document in which one attribute has the given text."""
    return json.dumps(document(head={"op": "fcos", "attention": 0})).replace('"attention": 0', f'"attention": {value}')


def _nested_parts(depth: int) -> str:
    return '{"op": "dsa", "reduction": ' * depth + "8" + "}" * depth


HOSTILE: dict[str, str | bytes] = {
    "empty": "",
    "null": "null",
    "a list": "[]",
    "a number": "1e999",
    "deep lists": "[" * 100_000 + "]" * 100_000,
    "deep objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "unclosed lists": "[" * 100_000,
    **{f"{depth} lists in an attribute": _with_kernel("[" * depth + "]" * depth) for depth in (200, 400, 800, 960)},
    **{f"{depth} parts in an attribute": _with_kernel(_nested_parts(depth)) for depth in (200, 400, 800, 960)},
    "deep version": json.dumps(document(version=0)).replace('"version": 0', '"version": ' + "[" * 960 + "]" * 960),
    "10,000 digits": _with_kernel("9" * 10_000),
    "4,000 digits": _with_kernel("9" * 4_000),
    "10,000 digits after the point": _with_kernel("[1." + "9" * 10_000 + "]"),
    "NaN": _with_kernel("NaN"),
    "Infinity": _with_kernel("-Infinity"),
    "overflowing float": _with_kernel("1e999"),
    "2 MB": '"' + "x" * 2_000_000 + '"',
    "2 MB of bytes": b" " * 2_000_000,
    "1 MB of nodes": json.dumps(document(nodes=[document()["nodes"][0]] * 5_000)),
    "1 MB of inputs": json.dumps(
        document(nodes=[{**document()["nodes"][0], "inputs": [{"from": "a", "op": "sum"}] * 30_000}])
    ),
    "1 MB of a name": json.dumps(document(outputs=["x" * 1_000_000])),
    "1 MB of an attribute's name": json.dumps(document(head={"op": "fcos", "x" * 1_000_000: 1})),
    "1 MB of an unknown field": json.dumps(document(**{"x" * 1_000_000: 1})),
    "invalid UTF-8": b'{"format": "\xff\xfe"}',
    "half a surrogate": json.dumps(document(outputs=["\ud800"])),
    "a repeated field": json.dumps(document())[:-1] + ', "version": 1}',
    "a repeated attribute": json.dumps(document()).replace('"op": "conv"', '"op": "conv", "op": "conv"'),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_at_once(name: str) -> None:
    """The work is counted in executed lines of Python; the worst document here takes four per character."""
    with counted_lines() as count, pytest.raises(GenotypeError) as caught:
        Genotype.from_json(HOSTILE[name])
    assert next(count) < 10 * (100 + len(HOSTILE[name]))
    assert len(str(caught.value)) < 20_000


@contextmanager
def counted_lines() -> Iterator[Iterator[int]]:
    """Counts lines, calls and returns of Python within the block; `next` of the counter is their number."""
    count, before = itertools.count(), sys.gettrace()

    def look(frame: FrameType, event: str, argument: object) -> Any:
        next(count)
        return look

    sys.settrace(look)
    try:
        yield count
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("name", ZOO)
def test_json_round_trips_the_zoo(name: str) -> None:
    there = zoo(name).genotype
    for indent in (None, 2):
        back = Genotype.from_json(there.to_json(indent=indent))
        assert back == there
        assert back.key() == there.key()
    assert Genotype.from_json(there.to_json().encode()) == there


@pytest.mark.parametrize("name", SPACES)
def test_json_round_trips_every_space(name: str) -> None:
    rng = random.Random(5)
    for _ in range(50):
        there = sample(SPACES[name], rng).value
        back = Genotype.from_json(there.to_json())
        assert back == there
        assert back.to_json() == there.to_json()
