"""Regression test: output statistics of every operator at a fixed seed.

After an intended change, `python -m tests.snapshots.test_operators` rewrites the snapshot.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from search_spaces.ops import Kind
from tests.operator_cases import CASES, Case, open_gates

FILE = Path(__file__).with_name("operators.json")
Numbers = list[list[float]]
"""Per map: mean, standard deviation, and a position-weighted mean, which detects a transposed or shifted map."""


def recorded_cases() -> Iterator[tuple[str, Case]]:
    """The first case of each operator and attribute value; for resample operators, of each pair of levels."""
    for name, cases in CASES.items():
        seen = set()
        for case in cases:
            move = case.where.split("-")[0] if case.op.kind is Kind.resample else ""
            if (case.op, move) not in seen:
                seen.add((case.op, move))
                attributes = [f"{key}={_text(value)}" for key, value in case.op.attributes]
                yield " ".join([name, *attributes, *([move] if move else [])]), case


def _text(value: object) -> str:
    parts = value if isinstance(value, tuple) else (value,)
    return ",".join(str(getattr(part, "attributes", part)) for part in parts)


CASE_BY_NAME = dict(recorded_cases())


def fill_weights(module: nn.Module) -> None:
    """Fill weights and statistics in order of their names, independently of how the module initialises them."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in sorted(module.state_dict().items()):
        if tensor.is_floating_point():
            values = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
            tensor.copy_(values + 0.5 if name.endswith("running_var") else (values - 0.5))


def statistics(x: Tensor) -> list[float]:
    places = torch.arange(x.numel(), dtype=torch.float64).mul(0.7).cos().reshape(x.shape)
    return [x.mean().item(), x.std().item(), (x * places).mean().item()]


def numbers(case: Case) -> Numbers:
    module = case.build().double().eval()
    fill_weights(module)
    open_gates(module)
    with torch.inference_mode():
        return [statistics(x) for x in case.run(module, case.inputs(dtype=torch.float64))]


def test_snapshots_cover_exactly_the_recorded_cases() -> None:
    assert set(json.loads(FILE.read_text())) == set(CASE_BY_NAME)


@pytest.mark.parametrize("name", CASE_BY_NAME)
def test_operator_outputs_match_the_snapshot(name: str) -> None:
    recorded: Numbers = json.loads(FILE.read_text())[name]
    for made, expected in zip(numbers(CASE_BY_NAME[name]), recorded, strict=True):
        assert made == pytest.approx(expected, rel=1e-6, abs=2e-7)  # torch.randn differs slightly between CPUs


if __name__ == "__main__":
    torch.set_num_threads(1)
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(numbers(case))}" for name, case in CASE_BY_NAME.items())
    FILE.write_text(f"{{\n{rows}\n}}\n")
