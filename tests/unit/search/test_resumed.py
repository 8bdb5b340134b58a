"""A search that is interrupted and begun again ends as one that is not."""

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
def test_resumed_anywhere_it_asks_for_the_same(
    strategy: str, draws: bool, limited: bool, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted after every kind of what it writes down, it ends with the same trials as without, chance's among
    them, up to the last of the 20 that there are, and of the 10 that are within limits.
    """
    monkeypatch.setattr("nas.search.search_loop.CONVERGED", 3)
    if limited and strategy in REMEMBERS_REJECTED:
        pytest.skip("it remembers what was rejected")
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


REMEMBERS_REJECTED = {"guided", "local"}


class Interrupted(Store):
    """A store in memory that is interrupted once, when so much has been written."""

    def __init__(self, moment: float) -> None:
        super().__init__("sqlite://")
        self.moment = moment
        self.writes: list[str] = []

    def moments(self) -> list[int]:
        """In the middle and at the end of each kind of writes, but for the very last of all."""
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
def test_resumed_anywhere_it_gives_up_the_same(tmp_path: Path, scheduler: SchedulerConfig) -> None:
    """By two objectives that conflict little, interrupted at every kind of report."""
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
