"""One optimiser step at a time, on any detector that returns a dict of losses."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nas.data.targets import Targets
from nas.training.errors import Diverged
from nas.training.recipe import Recipe

CHECK_EVERY = 16
"""Steps between two checks of the loss on a GPU."""


def require_finite(loss: Tensor, step: int) -> float:
    """Read a loss and check it, which synchronises with a GPU.

    Raises:
        Diverged: the loss is not finite.
    """
    value = float(loss.item())
    if not math.isfinite(value):
        raise Diverged(f"the loss is {value} at step {step}")
    return value


class Trainer:
    """Trains a model for a known number of steps.

    Attributes:
        steps: steps taken so far.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, total_steps: int) -> None:
        # channels_last saves an eighth of a small network's step on CPUs, more on GPUs
        self.model, self.recipe = model.to(memory_format=torch.channels_last), recipe
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        decayed = [p for p in self.parameters if p.ndim > 1]
        spared = [p for p in self.parameters if p.ndim <= 1]
        self.optimizer = AdamW(
            [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": spared, "weight_decay": 0.0}],
            lr=recipe.learning_rate,
            fused=True,
        )
        # one step more than is taken, as the schedule's last learning rate is nearly 0
        total = total_steps + 1
        warmup = max(recipe.warmup, 2 / total)
        self.schedule = OneCycleLR(self.optimizer, recipe.learning_rate, total_steps=total, pct_start=warmup)
        self.average = _averaged(self.model, recipe.average) if recipe.average else None
        self.steps = 0

    @property
    def scored(self) -> nn.Module:
        """The model to evaluate: with averaged weights, if the recipe has them."""
        return self.average.module if self.average else self.model

    def step(self, images: Tensor, targets: Targets) -> Tensor:
        """Take one step; returns the loss, detached.

        Raises:
            Diverged: the loss is not finite; the weights are unchanged. On a GPU it is raised up to
                `CHECK_EVERY` steps late, and the weights are lost.
        """
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=images.is_cuda):
            losses = self.model(images, targets)
        loss: Tensor = torch.stack(tuple(losses.values())).sum()
        if not loss.is_cuda or self.steps % CHECK_EVERY == 0:  # a loss that is not finite stays so
            require_finite(loss, self.steps)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip)
        self.optimizer.step()
        self.schedule.step()
        if self.average:
            self.average.update_parameters(self.model)
        self.steps += 1
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        """State for resumption: weights, optimiser, schedule, steps."""
        return {
            "model": self.model.state_dict(),
            **({"average": self.average.module.state_dict()} if self.average else {}),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state from `state_dict`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._load_schedule(state["schedule"])
        self.steps = state["steps"]
        if self.average:
            self.average.module.load_state_dict(state["average"])
            self.average.n_averaged.fill_(self.steps)

    def _load_schedule(self, state: dict[str, Any]) -> None:
        """Continue a schedule; one of another length from the same step on, unless it ends before that step."""
        planned = self.schedule.state_dict()
        length = {name: planned[name] for name in ("total_steps", "_schedule_phases")}
        other = state["total_steps"] != planned["total_steps"] > state["last_epoch"]
        self.schedule.load_state_dict({**state, **(length if other else {})})
        if other:
            self.schedule.last_epoch -= 1  # the optimiser's rate is the old schedule's until the next step
            self.schedule.step()


def _averaged(model: nn.Module, horizon: int) -> AveragedModel:
    average = get_ema_multi_avg_fn(1 - 1 / horizon)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)
