"""The table of published figures: it holds, and it says the same as the facts it was typed from."""

import json

import pytest
from support import shared_data

from experiments.cli import main
from experiments.published import FIGURES
from experiments.published.figure import Figure, millions
from experiments.published.msfm import BASELINES, INCONSISTENT


def test_every_figure_is_within_its_tolerance(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["published", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["failed"] == 0
    msfm = [row for row in document["figures"] if row["system"] == "MSFM"]
    assert len(msfm) == 57
    differing = {row["name"].removesuffix(", M parameters") for row in msfm if row["difference"]}
    assert differing == set(INCONSISTENT)


def test_a_figure_outside_its_tolerance_fails_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Figure("X", "weights, M parameters", 41.5, lambda: 41_560_000, millions(1))
    monkeypatch.setattr("experiments.commands.published.FIGURES", (wrong,))
    assert main(["published"]) == 1
    assert "OUTSIDE its tolerance" in capsys.readouterr().out


def test_rows_go_by_different_names_and_slack_is_explained() -> None:
    assert len({(figure.system, figure.name) for figure in FIGURES}) == len(FIGURES)
    assert all(figure.note for figure in FIGURES if figure.tolerance)


@pytest.mark.parametrize(
    ("value", "digits", "printed"), [(42_852_640, (2, 1), 42.9), (42_849_999, (1,), 42.8), (42_849_999, (2, 1), 42.9)]
)
def test_rounding_is_half_up_step_by_step(value: int, digits: tuple[int, ...], printed: float) -> None:
    assert millions(*digits)(value) == printed


def test_msfm_s_rows_are_the_paper_s_and_raw_counts_the_facts_() -> None:
    facts = json.loads((shared_data() / "facts" / "msfm.json").read_text())
    ours = {f.name.removesuffix(", M parameters"): f for f in FIGURES if f.system == "MSFM"}
    assert facts["baselines"] == BASELINES
    assert list(ours) == [row["row"] for row in facts["table_recommended_D"]]
    for row in facts["table_recommended_D"]:
        assert (ours[row["row"]].published, ours[row["row"]].ours()) == (row["published_M"], row["computed"])
