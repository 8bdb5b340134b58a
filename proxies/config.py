"""What all proxies share: how big a candidate is judged."""

from pydantic import BaseModel, ConfigDict, Field

from search_spaces.genotype import Scale


class ProxyConfig(BaseModel):
    """How big candidates are judged.

    Attributes:
        scale: how big candidates are built.
        image_size: side of the letterboxed images, px.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: Scale = Scale(width=0.125, alpha=1.0, output_width=32)
    image_size: int = Field(96, ge=32)
