"""The configuration of a search: everything that replays it."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from nas.data.digits import DigitsConfig
from nas.search.scheduler import AshaConfig
from nas.search.strategies import StrategyConfig
from proxies.short_train import ShortTrainConfig
from search_spaces.naming import unknown
from search_spaces.registry import SPACES


class SearchConfig(BaseModel):
    """What is searched, on what data, how, and where."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = "digits"
    """A directory in COCO's format, or "digits"."""
    space: str = "joint"
    """What may be built: joint, spinenet, asff, msfm, dsa, fpn, nas-fpn, or one of SpineNet's partly permuted ones."""
    trials: int = Field(24, ge=1)
    """How many candidates to evaluate."""
    seed: int = Field(0, ge=0)
    """Of candidates, weights and the order of data."""
    out: Path | None = Field(None, exclude=True)
    """The run's directory; a new one under runs/ if not given."""
    runner: Literal["ray", "local"] = "ray"
    """ray: several trials at once, stopped early where hopeless; local: one after the other, in this process."""
    ray_address: str | None = None
    """A running cluster ("auto" or host:port); without it Ray is started on this machine."""
    cpus_per_trial: float = Field(1.0, gt=0)
    """CPU cores a trial reserves."""
    gpus_per_trial: float | None = Field(None, ge=0)
    """GPUs a trial reserves, or a fraction of one; 0 trains on CPUs. If not given, 1 where this machine has a GPU."""
    concurrent: int | None = Field(None, ge=1)
    """Trials at once; as many as there is room for if not given."""
    time_limit: float | None = Field(1800.0, gt=0)
    """Seconds a trial may take."""
    early_stopping: bool = True
    """Whether asynchronous successive halving stops hopeless trials (ray only)."""
    asha: AshaConfig = AshaConfig()
    strategy: StrategyConfig = StrategyConfig()
    proxy: ShortTrainConfig = ShortTrainConfig()
    digits: DigitsConfig = DigitsConfig()

    @field_validator("space")
    @classmethod
    def _known(cls, space: str) -> str:
        if space not in SPACES:
            raise ValueError(unknown("space", space, SPACES))
        return space
