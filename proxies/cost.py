"""The cost of a genotype as a proxy: computed by formula, without weights or data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from nas.cost import Cost, cost
from nas.data.checks.images import ProgressCallback
from nas.search.types import Direction, Scores
from proxies.candidate import require_resolution
from proxies.config import Data, Decoded, ProxyConfig
from search_spaces.genotype import Genotype

_MIB = 2**20
_SCORES: Mapping[str, Direction] = {"gmacs": "min", "mparams": "min", "activation_mib": "min", "peak_memory_mib": "min"}


class CostConfig(ProxyConfig):
    """The size at which the cost of candidates is computed."""

    quick = True

    kind: Literal["cost"] = "cost"

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """The score that a search optimises by default."""
        return {"gmacs": "min"}

    @property
    def offered(self) -> Mapping[str, Direction]:
        """All scores that a search may optimise."""
        return _SCORES

    def prepare(
        self, data: Data, progress: ProgressCallback | None = None, decoded: Decoded | None = None
    ) -> "CostProxy":
        """Build the proxy from the number of classes; no image is decoded."""
        return CostProxy(self, data[0].num_classes)


@dataclass(frozen=True)
class CostProxy:
    """The proxy. Its scores depend on the genotype alone, not on the seed."""

    config: CostConfig
    num_classes: int

    @property
    def objectives(self) -> Mapping[str, Direction]:
        return self.config.objectives

    @property
    def steps(self) -> int:
        return 1

    def evaluate(self, genotype: Genotype, *, seed: int, device: str) -> Iterator[Scores]:
        """Yield the `cost_scores` of the genotype.

        Raises:
            GenotypeError: the scale does not suit the genotype, or the images are too small.
        """
        config = self.config
        require_resolution(genotype, config.image_size)
        needed = cost(genotype, config.scale, image_size=config.image_size, num_classes=self.num_classes)
        yield cost_scores(needed)


def cost_scores(cost: Cost) -> dict[str, float]:
    """A cost as scores, by the names and in the units of scores and limits."""
    return {
        "gmacs": cost.macs / 1e9,
        "mparams": cost.parameters / 1e6,
        "activation_mib": cost.activation_bytes / _MIB,
        "peak_memory_mib": cost.peak_memory / _MIB,
    }
