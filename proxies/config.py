"""Settings that all proxies share: the scale and the image size at which candidates are built."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from nas.detectors import DetectorConfig
from nas.search.types import Direction
from search_spaces.genotype import Scale


class ProxyConfig(BaseModel):
    """The size at which candidates are scored.

    Attributes:
        scale: width, depth and output width at which a candidate is decoded.
        image_size: side of the letterboxed images, px.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: Scale = Scale(width=0.125, alpha=1.0, output_width=32, head_depth=1)
    image_size: int = Field(96, ge=32)

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """The scores that a search optimises by default; the first one ranks trials."""
        raise NotImplementedError

    @property
    def offered(self) -> Mapping[str, Direction]:
        """All scores that a search may optimise."""
        return self.objectives

    @property
    def signals(self) -> Mapping[str, Direction]:
        """The scores by which `nas rank` compares candidates; the first objective comes first."""
        return dict([next(iter(self.objectives.items()))])


class DetectorProxyConfig(ProxyConfig):
    """The size and the detector settings of a proxy that builds candidates.

    Attributes:
        detector: the detector's settings that neither genotype nor scale decides, such as its NMS threshold.
    """

    detector: DetectorConfig = DetectorConfig()
