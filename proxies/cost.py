"""What a genotype costs, as a proxy: no weights, no data."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from nas.cost import Cost, cost
from nas.data.detection_set import DetectionSet
from nas.search.types import Direction, Scores
from proxies.candidate import require_resolution
from proxies.config import ProxyConfig
from search_spaces.genotype import Genotype

_MIB = 2**20
_SCORES: Mapping[str, Direction] = {"gmacs": "min", "mparams": "min", "activation_mib": "min", "peak_memory_mib": "min"}


class CostConfig(ProxyConfig):
    """How big candidates are counted."""

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """The score a search optimises where it names none."""
        return {"gmacs": "min"}

    @property
    def offered(self) -> Mapping[str, Direction]:
        """All scores that a search may optimise."""
        return _SCORES


@dataclass(frozen=True)
class CostProxy:
    """The proxy. Its scores depend on nothing but the genotype."""

    config: CostConfig
    num_classes: int

    @staticmethod
    def prepare(
        config: CostConfig,
        data: tuple[DetectionSet, DetectionSet],
        progress: Callable[[int, int], None] | None = None,
    ) -> "CostProxy":
        """Count the classes; no image is decoded."""
        return CostProxy(config, data[0].num_classes)

    @property
    def objectives(self) -> Mapping[str, Direction]:
        return self.config.objectives

    @property
    def steps(self) -> int:
        return 1

    def evaluate(self, genotype: Genotype, *, seed: int, device: str) -> Iterator[Scores]:
        """Yield the `figures` of the genotype.

        Raises:
            GenotypeError: the scale does not suit the genotype, or the images are too small.
        """
        config = self.config
        require_resolution(genotype, config.image_size)
        price = cost(genotype, config.scale, image_size=config.image_size, num_classes=self.num_classes)
        yield figures(price)


def figures(price: Cost) -> dict[str, float]:
    """A cost in the names and units of scores and limits."""
    return {
        "gmacs": price.macs / 1e9,
        "mparams": price.parameters / 1e6,
        "activation_mib": price.activation_bytes / _MIB,
        "peak_memory_mib": price.peak_memory / _MIB,
    }
