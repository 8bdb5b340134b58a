"""What all proxies share: how big a candidate is judged."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from nas.detectors import DetectorConfig
from nas.search.types import Direction
from search_spaces.genotype import Scale


class ProxyConfig(BaseModel):
    """How big candidates are judged.

    Attributes:
        scale: how big candidates are built.
        image_size: side of the letterboxed images, px.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: Scale = Scale(width=0.125, alpha=1.0, output_width=32, head_depth=1)
    image_size: int = Field(96, ge=32)

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """The scores a search optimises; the first one ranks trials."""
        raise NotImplementedError

    @property
    def offered(self) -> Mapping[str, Direction]:
        """All scores that a search may optimise."""
        return self.objectives

    @property
    def signals(self) -> Mapping[str, Direction]:
        """The scores by which a ranking compares candidates, the first objective before all."""
        return dict([next(iter(self.objectives.items()))])


class DetectorProxyConfig(ProxyConfig):
    """How candidates are judged that are built.

    Attributes:
        detector: how they read their outputs, and what else neither genotype nor scale decides.
    """

    detector: DetectorConfig = DetectorConfig()
