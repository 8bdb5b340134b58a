"""An interrupted and resumed search ends with the same trials as an uninterrupted one."""

import math
from pathlib import Path
from typing import Any

import pytest

from nas.search.halving.scheduler import SchedulerConfig
from nas.search.store import Store
from nas.search.strategies import STRATEGIES
from nas.search.types import State
from tests.unit.search.searches import ToySearch, interrupt_at, odd, small
from tests.unit.search.toys import DigitSpace, SumProxy


@pytest.mark.parametrize(
    ("draws", "limited", "count"), [(False, False, 12), (True, False, 20), (True, True, 10)], ids=str
)
@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_a_search_resumed_after_any_write_proposes_the_same(
    strategy: str, draws: bool, limited: bool, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search is interrupted after each kind of write to the store. With random draws, it evaluates all 20 members
    of the space, or all 10 within the limits.
    """
    monkeypatch.setattr("nas.search.search_loop.CONVERGED", 3)
    if limited and strategy in REMEMBERS_REJECTIONS:
        pytest.skip("the strategy remembers rejected proposals")
    space = DigitSpace(3, base=4, order=False)

    def search(store: Interrupted) -> Interrupted:
        ToySearch(
            store=store,
            trials=count,
            space=space,
            strategy=small(strategy),
            draws=draws,
            violation=odd if limited else None,
        ).run()
        return store

    unbroken = search(Interrupted(math.inf))
    wanted = [(trial.trace, trial.reports) for trial in unbroken.trials()]
    for moment in unbroken.moments():
        store = Interrupted(moment)
        with pytest.raises(KeyboardInterrupt):
            search(store)
        search(store)
        assert [(trial.trace, trial.reports) for trial in store.trials()] == wanted, moment
        assert store.asked == unbroken.asked


REMEMBERS_REJECTIONS = {"guided", "local"}


class Interrupted(Store):
    """A store in memory that raises KeyboardInterrupt once, after the given number of writes."""

    def __init__(self, moment: float) -> None:
        super().__init__("sqlite://")
        self.moment = moment
        self.writes: list[str] = []

    def moments(self) -> list[int]:
        """The middle and the last write of each kind, without the last write of all."""
        kinds: dict[str, list[int]] = {}
        for moment, kind in enumerate(self.writes[:-1], 1):
            kinds.setdefault(kind, []).append(moment)
        return sorted({moment for of_kind in kinds.values() for moment in (of_kind[len(of_kind) // 2], of_kind[-1])})

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in ("create", "repeat", "reject", "report", "end"):
            return found

        def write(*args: Any, **kwargs: Any) -> Any:
            done = found(*args, **kwargs)
            self.writes.append(name)
            if len(self.writes) == self.moment:
                raise KeyboardInterrupt
            return done

        return write


@pytest.mark.parametrize("scheduler", [SchedulerConfig(), SchedulerConfig(method="hyperband", reduction=2.0)])
def test_a_search_resumed_after_any_report_stops_the_same_trials(tmp_path: Path, scheduler: SchedulerConfig) -> None:
    """Two objectives that conflict little; the search is interrupted at every 13th report."""
    proxy, both = SumProxy(steps=4), {"ap": "max", "spread": "min"}
    unbroken = Store(str(tmp_path / "unbroken.db"))
    ToySearch(store=unbroken, trials=24, proxy=proxy, scheduler=scheduler, objectives=both).run()
    wanted = [(trial.trace, trial.state, trial.reports) for trial in unbroken.trials()]
    assert State.stopped in {state for _, state, _ in wanted}
    for moment in range(1, 80, 13):
        store = Store(str(tmp_path / f"{moment}.db"))
        with pytest.raises(KeyboardInterrupt):
            ToySearch(
                store=store, trials=24, proxy=proxy, scheduler=scheduler, objectives=both, watch=interrupt_at(moment)
            ).run()
        ToySearch(store=store, trials=24, proxy=proxy, scheduler=scheduler, objectives=both).run()
        assert [(trial.trace, trial.state, trial.reports) for trial in store.trials()] == wanted
