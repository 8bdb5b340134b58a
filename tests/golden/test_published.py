"""The table of published figures: computed figures are within tolerance, published ones equal the facts files."""

import json

import pytest

from experiments.cli import main
from experiments.published import FIGURES, asff, retinanet, spinenet
from experiments.published.figure import Figure, millions
from experiments.published.msfm import FOREIGN_BASELINES, INCONSISTENT, ZOO_BASELINES, baseline
from search_spaces.zoo import zoo
from tests.support import OFFICIAL_ASFF, shared_data


def test_every_figure_is_within_its_tolerance(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["published", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["failed"] == 0
    msfm = [row for row in document["figures"] if row["system"] == "MSFM"]
    assert len(msfm) == 57
    differing = {row["name"].removesuffix(", M parameters") for row in msfm if row["difference"]}
    assert differing == set(INCONSISTENT)


def test_published_exits_with_1_on_a_figure_outside_its_tolerance(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Figure("X", "weights, M parameters", 41.5, lambda: 41_560_000, millions(1))
    monkeypatch.setattr("experiments.commands.published.FIGURES", (wrong,))
    assert main(["published"]) == 1
    assert "OUTSIDE its tolerance" in capsys.readouterr().out


def test_figures_have_unique_names_and_tolerances_have_notes() -> None:
    assert len({(figure.system, figure.name) for figure in FIGURES}) == len(FIGURES)
    assert all(figure.note for figure in FIGURES if figure.tolerance)


@pytest.mark.parametrize(
    ("value", "digits", "printed"), [(42_852_640, (2, 1), 42.9), (42_849_999, (1,), 42.8), (42_849_999, (2, 1), 42.9)]
)
def test_millions_rounds_half_up_in_steps(value: int, digits: tuple[int, ...], printed: float) -> None:
    assert millions(*digits)(value) == printed


def test_msfm_figures_match_the_facts() -> None:
    facts = json.loads((shared_data() / "facts" / "msfm.json").read_text())
    ours = {f.name.removesuffix(", M parameters"): f for f in FIGURES if f.system == "MSFM"}
    assert facts["baselines"] == {name: baseline(name) for name in (*ZOO_BASELINES, *FOREIGN_BASELINES)}
    assert list(ours) == [row["row"] for row in facts["table_recommended_D"]]
    for row in facts["table_recommended_D"]:
        assert (ours[row["row"]].published, ours[row["row"]].ours()) == (row["published_M"], row["computed"])


def test_asff_figures_match_the_facts() -> None:
    counts = json.loads((shared_data() / "facts" / "asff.json").read_text())["counts"]
    for name, (parameters, by_size) in asff.NETWORKS.items():
        official = counts[OFFICIAL_ASFF[name]]
        sizes = {int(key[6:]): row["total"] for key, row in official.items() if key.startswith("gmacs_")}
        assert (parameters, by_size) == (official["params"], sizes)
    assert asff.NETWORKS.keys() == OFFICIAL_ASFF.keys()


def test_spinenet_figures_match_the_facts() -> None:
    variants = json.loads((shared_data() / "facts" / "spinenet.json").read_text())["variants"]
    named = {"49s": "49S", "49s-256": "49S_endpoints256"}

    def official(variant: str, image_size: int = 0) -> dict[str, float]:
        row: dict[str, float] = variants["49@896" if image_size == 896 else named.get(variant, variant)]
        return row

    for (variant, image_size), counted in spinenet.DETECTORS.items():
        row = official(variant, image_size)
        assert counted == (row["params_trainable"], row["flops_macs_with_retinanet_head"])
    for variant, in_model_zoo, printed, *_ in spinenet.MILLIONS:
        row = variants["49S"] if variant == "49s-256" else official(variant)
        assert printed == row["model_zoo_params_M" if in_model_zoo else "published_params_M"]
    for variant, image_size, in_model_zoo, printed, *_ in spinenet.BILLIONS:
        assert printed == official(variant, image_size)["model_zoo_flops_B" if in_model_zoo else "published_flops_B"]


def test_spinenet_proxy_and_retinanet_baselines_match_the_facts() -> None:
    facts = json.loads((shared_data() / "facts" / "spinenet.json").read_text())
    proxy = facts["proxy_SpineNet49_quarter_512"]
    image_size, count, macs = spinenet.PROXY
    assert (image_size, count) == (proxy["image_size"], proxy["params_trainable"])
    assert macs == proxy["flops_macs_with_retinanet_head"]
    rows = {"r50": facts["R50-FPN"], "r101": facts["R101-FPN@1024"], "r152": facts["R152-FPN@1280"]}
    for resnet, (count, macs, _) in retinanet.NETWORKS.items():
        official = rows[resnet]
        assert count == official["params_trainable"]
        assert macs in (
            official.get("flops_macs_with_retinanet_head"),
            official.get("flops_macs_with_retinanet_head_B"),
        )
        assert zoo(f"retinanet-{resnet}-fpn-tpu").image_size == official["image_size"]
    assert retinanet.MILLIONS["r50"] == rows["r50"]["published_params_M"]
    for resnet, in_model_zoo, printed, _ in retinanet.BILLIONS:
        assert printed == rows[resnet]["model_zoo_flops_B" if in_model_zoo else "published_flops_B"]
