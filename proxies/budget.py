"""What candidates may cost: a gate that no weight is allocated for."""

import math
import random
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, field_validator

from nas.cost import Cost, cost
from proxies.candidate import price_candidate
from proxies.config import ProxyConfig
from proxies.cost import figures
from search_spaces.choose import SearchSpace, sample
from search_spaces.genotype import Genotype
from search_spaces.ops import GenotypeError
from search_spaces.within import Within

_LOOKED_AT = 200


class Limits(BaseModel):
    """What a candidate may cost as the proxy builds it: HIGHEST, or LOWEST HIGHEST; anything where nothing is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gmacs: tuple[float, ...] = ()
    """Thousands of millions of multiply-adds for one image."""
    mparams: tuple[float, ...] = ()
    """Millions of parameters."""
    activation_mib: tuple[float, ...] = ()
    """MiB that convolutions write for one image."""
    peak_memory_mib: tuple[float, ...] = ()
    """MiB of an inference, as `nas.cost.Cost` estimates them."""

    @field_validator("*")
    @classmethod
    def _check(cls, bounds: tuple[float, ...]) -> tuple[float, ...]:
        if len(bounds) > 2 or not all(0 <= bound < math.inf for bound in bounds) or list(bounds) != sorted(bounds):
            raise ValueError(f"{bounds} is no limit: give the highest value, or the lowest and the highest")
        if bounds and not bounds[-1]:
            raise ValueError("nothing costs 0 or less: give a higher limit")
        return bounds

    def excess(self, price: Cost) -> float:
        """How far a cost is from the limits, in parts of them, all added up; 0 within."""
        return sum(_excess(value, getattr(self, name)) for name, value in figures(price).items())

    def beyond(self, price: Cost) -> list[float]:
        """How far a cost lies beyond each bound that is given, in its unit; at most 0 where it is kept."""
        found: list[float] = []
        for name, value in figures(price).items():
            bounds: tuple[float, ...] = getattr(self, name)
            found += [value - bound for bound in bounds[-1:]] + [bound - value for bound in bounds[:-1]]
        return found


@dataclass(frozen=True)
class Budget:
    """The `Violation` of a search: what a genotype costs too much or too little, infinite where it cannot be built."""

    limits: Limits
    config: ProxyConfig
    num_classes: int

    def __call__(self, genotype: Genotype) -> float:
        try:
            return self.limits.excess(price_candidate(genotype, self.config, self.num_classes))
        except GenotypeError:
            return math.inf

    def beyond(self, genotype: Genotype) -> list[float]:
        """`Limits.beyond` of what a genotype costs, whether or not this machine could build it."""
        size = self.config
        price = cost(genotype, size.scale, image_size=size.image_size, num_classes=self.num_classes)
        return self.limits.beyond(price)


def require_within(space: SearchSpace[Genotype], budget: Budget, *, seed: int) -> None:
    """Refuse limits that nothing in a space seems to keep, before a search of the part `Within` them begins.

    Raises:
        GenotypeError: with what random members cost, or why they cannot be built.
    """
    if Within(space, budget, seed=seed).fits_any():
        return
    rng = random.Random(seed)
    drawn = [sample(space, rng).value for _ in range(_LOOKED_AT)]
    built = [genotype for genotype in drawn if budget(genotype) < math.inf] or drawn
    costs = [figures(price_candidate(genotype, budget.config, budget.num_classes)) for genotype in built]
    told = ", ".join(
        f"{name} from {min(cost[name] for cost in costs):.4g} to {max(cost[name] for cost in costs):.4g}"
        for name in costs[0]
        if getattr(budget.limits, name)
    )
    raise GenotypeError(f"limits: nothing in space {space.name!r} was found to keep them: it has {told}; give others")


def _excess(value: float, bounds: tuple[float, ...]) -> float:
    if not bounds:
        return 0.0
    lowest, highest = bounds if len(bounds) == 2 else (0.0, bounds[0])
    if value > highest:
        return value / highest - 1
    return 1 - value / lowest if value < lowest else 0.0
