"""The cost budget of a search: candidates are checked by formula, before any weight is allocated."""

import math
import random
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, field_validator

from nas.cost import Cost, cost
from proxies.candidate import candidate_cost
from proxies.config import ProxyConfig
from proxies.cost import cost_scores
from search_spaces.choose import SearchSpace, sample
from search_spaces.genotype import Genotype
from search_spaces.ops import GenotypeError
from search_spaces.within import Within

_SAMPLES = 200
"""Random members whose costs an error message reports."""


class Limits(BaseModel):
    """Limits on a candidate's cost at the proxy's scale, each HIGHEST or LOWEST HIGHEST; unlimited by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gmacs: tuple[float, ...] = ()
    """Multiply-adds for one image, in billions (GMACs)."""
    mparams: tuple[float, ...] = ()
    """Parameters, in millions."""
    activation_mib: tuple[float, ...] = ()
    """Size of the convolutions' outputs for one image, in MiB."""
    peak_memory_mib: tuple[float, ...] = ()
    """Peak memory of inference on one image, in MiB, as `nas.cost.Cost` estimates it."""

    @field_validator("*")
    @classmethod
    def _check(cls, bounds: tuple[float, ...]) -> tuple[float, ...]:
        if len(bounds) > 2 or not all(0 <= bound < math.inf for bound in bounds) or list(bounds) != sorted(bounds):
            raise ValueError(f"{bounds} is not a limit: give the highest value, or the lowest and the highest")
        if bounds and not bounds[-1]:
            raise ValueError("no candidate costs 0 or less: give a higher limit")
        return bounds

    def excess(self, cost: Cost) -> float:
        """Sum of the relative excesses over the limits; 0 if all are met."""
        return sum(_excess(value, getattr(self, name)) for name, value in cost_scores(cost).items())

    def beyond(self, cost: Cost) -> list[float]:
        """The excess over each given bound, in the bound's unit; at most 0 if the bound is met."""
        found: list[float] = []
        for name, value in cost_scores(cost).items():
            bounds: tuple[float, ...] = getattr(self, name)
            found += [value - bound for bound in bounds[-1:]] + [bound - value for bound in bounds[:-1]]
        return found


@dataclass(frozen=True)
class Budget:
    """The `Violation` of a search: the excess of a genotype's cost over the limits; infinite if it cannot be built."""

    limits: Limits
    config: ProxyConfig
    num_classes: int

    def __call__(self, genotype: Genotype) -> float:
        try:
            return self.limits.excess(candidate_cost(genotype, self.config, self.num_classes))
        except GenotypeError:
            return math.inf

    def beyond(self, genotype: Genotype) -> list[float]:
        """`Limits.beyond` of a genotype's cost, whether or not this machine has the memory to build it."""
        size = self.config
        needed = cost(genotype, size.scale, image_size=size.image_size, num_classes=self.num_classes)
        return self.limits.beyond(needed)


def require_within(space: SearchSpace[Genotype], budget: Budget, *, seed: int) -> None:
    """Check that some member of a space meets the limits, before a search of the part `Within` them starts.

    Raises:
        GenotypeError: no member was found; the message has the costs of random ones, or why they cannot be built.
    """
    if Within(space, budget, seed=seed).fits_any():
        return
    rng = random.Random(seed)
    drawn = [sample(space, rng).value for _ in range(_SAMPLES)]
    built = [genotype for genotype in drawn if budget(genotype) < math.inf] or drawn
    costs = [cost_scores(candidate_cost(genotype, budget.config, budget.num_classes)) for genotype in built]
    ranges = ", ".join(
        f"{name} from {min(cost[name] for cost in costs):.4g} to {max(cost[name] for cost in costs):.4g}"
        for name in costs[0]
        if getattr(budget.limits, name)
    )
    raise GenotypeError(f"limits: no member found in space {space.name!r} meets them: it has {ranges}; give others")


def _excess(value: float, bounds: tuple[float, ...]) -> float:
    if not bounds:
        return 0.0
    lowest, highest = bounds if len(bounds) == 2 else (0.0, bounds[0])
    if value > highest:
        return value / highest - 1
    return 1 - value / lowest if value < lowest else 0.0
