"""A ranking: its measurements and their order, resumption, and conclusions."""

import itertools
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from nas.data.digits.scenes import DigitsConfig, digits
from nas.search.runners.local import LocalRunner
from nas.search.store import Store
from nas.search.types import Direction, Proxy, Scores, State, Trial
from proxies.ranking.agreement import agreement
from proxies.ranking.loop import measured, run_ranking
from proxies.ranking.plan import REFERENCE, Measurement, Plan, build_proxies, draw_candidates, measurements
from proxies.ranking.verdict import Measured, cheapest, collect, judge
from proxies.short_train import ShortTrain
from search_spaces.choose import SpaceExhausted
from search_spaces.genotype import Genotype
from search_spaces.registry import SPACES

PLAN = Plan.model_validate(
    {
        "reference": {"short_train": {"rungs": 2}},
        "settings": {
            "short": {"short_train": {"rungs": 1}},
            "once": {"short_train": {"rungs": 1, "image_size": 64}, "seeds": 1},
        },
    }
)
CANDIDATES = draw_candidates(SPACES["asff"], 12, seed=0)
QUEUE = list(measurements(PLAN, 12, seeds=3, seed=0))


@dataclass(frozen=True)
class Noisy:
    """Scores a genotype by a value derived from its key, plus noise by seed. Some genotypes raise."""

    rungs: int
    noise: float
    broken: frozenset[str] = frozenset()

    @property
    def objectives(self) -> Mapping[str, Direction]:
        return {"ap": "max"}

    @property
    def steps(self) -> int:
        return self.rungs

    def evaluate(self, genotype: Genotype, *, seed: int, device: str) -> Iterator[Scores]:
        if genotype.key() in self.broken:
            raise ValueError("cannot be judged")
        for rung in range(1, self.rungs + 1):
            drawn = np.random.default_rng((seed, zlib.crc32(genotype.key().encode()), rung)).normal()
            ap = worth(genotype) + self.noise / rung * drawn
            yield {"ap": ap, "ap50": 2 * ap, "loss": 1 - ap}


def worth(genotype: Genotype) -> float:
    return zlib.crc32(genotype.key().encode()) / 2**32


def proxies(**broken: frozenset[str]) -> dict[str, Proxy]:
    noises = {REFERENCE: 0.1, "short": 0.2, "once": 5.0}
    return {
        name: Noisy(2 if name == REFERENCE else 1, noise, broken.get(name, frozenset()))
        for name, noise in noises.items()
    }


def run(store: Store, known: Mapping[str, Proxy], stop_at: int | None = None) -> None:
    calls = itertools.count(1)

    def watch(measurement: Measurement, trial: Trial) -> None:
        if next(calls) == stop_at:
            raise KeyboardInterrupt

    run_ranking(
        queue=QUEUE,
        candidates=CANDIDATES,
        proxies=known,
        runner=LocalRunner(),
        store=store,
        device="cpu",
        watch=watch,
    )


def found_in(store: Store) -> list[Measured]:
    return collect(PLAN, QUEUE, CANDIDATES, measured(store, CANDIDATES, QUEUE))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "study.db"))


def test_all_candidates_are_scored_once_before_any_is_scored_again() -> None:
    plan = [(m.candidate, m.setting, m.seed) for m in measurements(PLAN, 2, seeds=2, seed=5)]
    first = [(c, name, seed) for c in (0, 1) for name, seed in (("reference", 5), ("short", 1005), ("once", 1005))]
    again = [(c, name, seed) for c in (0, 1) for name, seed in (("reference", 6), ("short", 1006))]
    assert plan == first + again


def test_an_interrupted_ranking_resumes_with_the_missing_measurements(tmp_path: Path) -> None:
    unbroken = Store(str(tmp_path / "unbroken.db"))
    run(unbroken, proxies())
    wanted = {t.key: [r["ap"] for r in t.reports] for t in unbroken.trials()}
    assert len(wanted) == len(QUEUE) == 12 * (3 + 3 + 1)
    for moment in (1, 2, 3, 50, 151):
        store = Store(str(tmp_path / f"{moment}.db"))
        with pytest.raises(KeyboardInterrupt):
            run(store, proxies(), stop_at=moment)
        before = [trial for trial in store.trials() if trial.state.ended]
        run(store, proxies())
        after = store.trials()
        assert {t.key: [r["ap"] for r in t.reports] for t in after} == wanted
        assert [trial for trial in after if trial in before] == before
        assert {trial.state for trial in after} == {State.finished}
        run(store, proxies(), stop_at=1)


def test_a_running_trial_of_another_plan_is_unchanged(store: Store) -> None:
    genotype = CANDIDATES[0].value.to_json()
    other = store.create(key="of a removed setting", trace={}, genotype=genotype, seed=0)
    with pytest.raises(KeyboardInterrupt):
        run(store, proxies(), stop_at=1)
    run(store, proxies())
    assert store.running() == [other]


def test_scores_are_sorted_by_setting_candidate_and_seed(store: Store) -> None:
    run(store, proxies())
    found = {m.name: m for m in found_in(store)}
    signals = ["", ":ap50", ":loss"]
    assert list(found) == ["reference", "reference@50%", *(name + s for name in ("short", "once") for s in signals)]
    assert [m.scores.shape for m in found.values()] == [(12, 3)] * 5 + [(12, 1)] * 3
    np.testing.assert_array_equal(found["short:ap50"].scores, 2 * found["short"].scores)
    np.testing.assert_array_equal(found["short:loss"].scores, found["short"].scores - 1)
    for name, report in (("reference", 1), ("reference@50%", 0), ("short", 0)):
        proxy = proxies()[name.split("@")[0]]
        row = [list(proxy.evaluate(CANDIDATES[4].value, seed=s, device="cpu")) for s in found[name].seeds]
        assert found[name].scores[4].tolist() == [reports[report]["ap"] for reports in row]
    assert (found["reference@50%"].seconds < found["reference"].seconds).all()


def test_a_score_to_be_minimised_is_negated(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run(store, proxies())
    unnegated = found_in(store)[0].scores
    monkeypatch.setattr("proxies.short_train.ShortTrainConfig.signals", {"ap": "min"})
    np.testing.assert_array_equal(found_in(store)[0].scores, -unnegated)


def test_the_better_proxy_is_distinguished_from_the_worse(store: Store) -> None:
    run(store, proxies())
    verdicts = {v.measured.name: v for v in judge(found_in(store), seed=0)}
    reference, short, once = (verdicts[name] for name in ("reference", "short", "once"))
    assert short.one_seed.tau.value is not None
    assert once.one_seed.tau.value is not None
    assert short.one_seed.tau.value > once.one_seed.tau.value + 0.2
    assert reference.icc is not None
    assert short.icc is not None
    assert reference.icc > short.icc
    assert (once.icc, once.all_seeds, reference.all_seeds) == (None, None, None)
    assert short.all_seeds is not None
    assert reference.cost == 1


def test_failed_candidates_are_left_out_and_counted(store: Store) -> None:
    keys = [candidate.value.key() for candidate in CANDIDATES]
    run(store, proxies(reference=frozenset({keys[2]}), short=frozenset({keys[0], keys[1]})))
    verdicts = {v.measured.name: v for v in judge(found_in(store), seed=0)}
    reference, short, once = (verdicts[name] for name in ("reference", "short", "once"))
    assert reference.measured.errors == {2: "ValueError: cannot be judged"}
    assert sorted(short.measured.errors) == [0, 1]
    assert [v.one_seed.candidates for v in (reference, short, once)] == [11, 9, 11]
    scores, truth = short.measured.scores[3:], reference.measured.scores[3:]
    assert short.one_seed == agreement(scores, truth)
    run(store, proxies(), stop_at=1)  # failed measurements are not repeated


def test_an_empty_ranking_has_no_conclusion(store: Store) -> None:
    verdicts = judge(found_in(store), seed=0)
    assert all(v.one_seed.candidates == 0 and v.one_seed.tau.value is None and v.cost is None for v in verdicts)
    assert cheapest(verdicts, -1) is None


def test_draws_are_repeatable_and_more_candidates_extend_fewer() -> None:
    keys = [drawn.value.key() for drawn in draw_candidates(SPACES["joint"], 20, seed=3)]
    assert len(set(keys)) == 20
    assert [drawn.value.key() for drawn in draw_candidates(SPACES["joint"], 9, seed=3)] == keys[:9]
    assert [drawn.value.key() for drawn in draw_candidates(SPACES["joint"], 9, seed=4)] != keys[:9]


def test_candidates_differ_only_in_the_varied_decisions() -> None:
    words = {"fuse", "msfm", "dsa"}
    drawn = draw_candidates(SPACES["joint"], 15, seed=0, vary=tuple(words))
    fixed = [{n: v for n, v in d.trace.items() if not words & set(n.split("."))} for d in drawn]
    assert all(kept == fixed[0] for kept in fixed)
    # SpineNet's own decisions: 10 inner and 5 output blocks' order, parents and type, and the inner blocks' offsets
    assert len(fixed[0]) == (10 + 5) * 3 + 10
    graphs = {tuple((node.level, *(edge.source for edge in node.inputs)) for node in d.value.nodes) for d in drawn}
    assert len(graphs) == 1
    assert len({tuple(node.fuse for node in d.value.nodes) for d in drawn}) > 1


def test_a_space_with_too_few_candidates_is_refused() -> None:
    """DSA's space has three first levels times three reductions."""
    with pytest.raises(SpaceExhausted, match="'dsa' yields 9 candidates, not 10: ask for fewer"):
        draw_candidates(SPACES["dsa"], 10, seed=0)


def test_settings_with_the_same_images_share_them() -> None:
    data = digits(DigitsConfig(train_images=8, val_images=4))
    fewer = {"short_train": {"rungs": 1, "val_images": 2}}
    plan = Plan.model_validate(PLAN.model_dump() | {"settings": {**PLAN.model_dump()["settings"], "fewer": fewer}})
    reference, short, once, scored_on_few = build_proxies(plan, data).values()
    assert isinstance(reference, ShortTrain)
    assert isinstance(short, ShortTrain)
    assert isinstance(once, ShortTrain)
    assert isinstance(scored_on_few, ShortTrain)
    assert short.train_images is reference.train_images is scored_on_few.train_images
    assert short.val_images is reference.val_images is not scored_on_few.val_images
    assert len(scored_on_few.val) == 2
    assert short.config == PLAN.settings["short"].proxy
    assert once.train_images.take(np.array([0])).shape == (1, 3, 64, 64)


@pytest.mark.parametrize("name", ["", "reference", "a/b", "a@50%", "x" * 61])
def test_a_setting_needs_a_usable_name(name: str) -> None:
    with pytest.raises(ValidationError, match="cannot name a setting"):
        Plan.model_validate({"reference": {"short_train": {}}, "settings": {name: {"short_train": {}}}})
