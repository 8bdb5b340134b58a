"""When to give up on a trial: the settings of asynchronous successive halving."""

from pydantic import BaseModel, ConfigDict, Field, PositiveInt


class AshaConfig(BaseModel):
    """ASHA (arXiv 1810.05934): at each rung, stop a trial not among the best 1/`reduction` that got there.

    Rungs lie at fidelity steps `grace`, `grace * reduction`, `grace * reduction**2` and so on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    grace: PositiveInt = 1
    """Fidelity steps that no trial is stopped before."""
    reduction: float = Field(3.0, gt=1)
    """One in so many trials goes on from a rung."""
