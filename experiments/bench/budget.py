"""How often strategies meet a budget, and the time per proposal: `python -m experiments.bench.budget [--asks 150]`.

The budget is a band of 10 % around a quantile of random members' multiply-adds. Ask and tell alternate, with fewer
multiply-adds scored higher, which pulls a strategy out of the band; milliseconds are processor time.
"""

import random
import statistics
import time

from experiments.commands.arguments import run
from nas.cost import cost
from nas.search.strategies import STRATEGIES, Task, strategy_config
from nas.search.types import Direction, State, Trial
from proxies.budget import Budget, Limits
from proxies.config import ProxyConfig, ShortTrainConfig
from proxies.predictor.ensemble import Ensemble
from proxies.predictor.features import proposal_features
from search_spaces.choose import sample
from search_spaces.genotype import Genotype, Scale
from search_spaces.registry import SPACES
from search_spaces.within import Within

CLASSES = 10
QUANTILES = (0.05, 0.5, 0.95)
OBJECTIVES: dict[str, Direction] = {"ap": "max"}
PROXIES = {
    "digits": ShortTrainConfig(),
    "width 1/4": ShortTrainConfig(scale=Scale(width=0.25, output_width=32, head_depth=1)),
}
"""The default proxy of a search, and one of twice its width."""


def gmacs(genotype: Genotype, config: ProxyConfig) -> float:
    return cost(genotype, config.scale, image_size=config.image_size, num_classes=CLASSES).macs / 1e9


def measure(name: str, space: str, budget: Budget, asks: int) -> str:
    """A table row: share of proposals within the budget, number of distinct ones, milliseconds per proposal."""
    part = Within(SPACES[space], budget, seed=0)
    strategy = strategy_config(name).build(Task(part, OBJECTIVES, seed=0, predictor=Ensemble(proposal_features)))
    taken: list[float] = []
    keys: list[str] = []
    kept = 0
    for number in range(asks):
        start = time.process_time()
        found = strategy.ask()
        taken.append((time.process_time() - start) * 1e3)
        keys.append(found.key)
        kept += not budget(Genotype.from_json(found.value.to_json()))
        scores = {"ap": 1 - gmacs(Genotype.from_json(found.value.to_json()), budget.config)}
        strategy.tell(Trial(number, State.finished, found.key, found.trace, "{}", 0, (scores,)))
    ms = f"{statistics.median(taken):.1f} | {sorted(taken)[int(0.9 * asks)]:.1f}"
    return f"{kept / asks:.0%} | {len(set(keys))} | {ms}"


def main(*, asks: int = 150) -> None:
    """Print a table row per proxy, space, quantile and strategy.

    Args:
        asks: proposals per strategy and budget.
    """
    print("| proxy | space | quantile | random fits | strategy | fits | different | ms, median | ms, 9 in 10 |")
    print("|---|---|---|---|---|---|---|---|---|")
    for label, config in PROXIES.items():
        for space in ("joint", "spinenet"):
            drawn = sorted(gmacs(sample(SPACES[space], random.Random(seed)).value, config) for seed in range(200))
            for quantile in QUANTILES:
                target = drawn[int(quantile * 199)]
                low, high = 0.95 * target, 1.05 * target
                budget = Budget(Limits(gmacs=(low, high)), config, CLASSES)
                raw = sum(low <= value <= high for value in drawn) / len(drawn)
                for name in STRATEGIES:
                    row = measure(name, space, budget, asks)
                    print(f"| {label} | {space} | {quantile} | {raw:.0%} | {name} | {row} |", flush=True)


if __name__ == "__main__":
    run(main, __doc__)
