"""The controller of SpineNet's and NAS-FPN's searches: a recurrent policy trained by reinforcement learning (PPO)."""

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from nas.search.objectives import objective_vector
from nas.search.strategies.proposal_rng import ProposalRng, candidate, numbered
from nas.search.types import Candidate, Direction, Storable, Trial
from search_spaces.choose import Choice, SearchSpace, record

T = TypeVar("T", bound=Choice)
Steps = list[tuple[str, int]]
"""Decisions in the order they were taken: name, and index of the option."""

UNITS = 64
INIT_RANGE = 0.08
"""Weights are initialised uniformly in [-INIT_RANGE, INIT_RANGE] (Zoph and Le 2017, section 4.1)."""
CLIP = 0.2
"""PPO's clipping range of the probability ratio (Schulman et al. 2017, arXiv 1707.06347, eq. 7)."""
BASELINE_DECAY = 0.95
"""Decay per trial of the baseline, an exponential moving average of the scores (Zoph and Le 2017, section 3.2)."""


class Controller:
    """An LSTM takes one decision after the other and is trained by PPO on the trials' scores (arXiv 1611.01578,
    section 3; 1707.07012, appendix A.1; 1904.07392, section 3.2; 1912.05027, section 3.2).

    The first objective, standardised by its moving mean and deviation, is the reward. Trials stopped early count with
    their last scores; failed trials are left out.

    Args:
        batch: trials per policy update.
        epochs: gradient steps per policy update.
        learning_rate: Adam's. The published .00035 suits searches of thousands of trials.
        entropy: weight of the mean decision entropy in the objective (entropy bonus). With the published .00001 a
            search of hundreds of trials converges prematurely.
    """

    def __init__(
        self,
        space: SearchSpace[Storable],
        objectives: Mapping[str, Direction],
        *,
        seed: int,
        asked: int = 0,
        batch: int,
        epochs: int,
        learning_rate: float,
        entropy: float,
    ) -> None:
        self._space = space
        self._objectives = objectives
        self._rng = ProposalRng(seed, asked)
        self._batch = batch
        self._epochs = epochs
        self._entropy = entropy
        self._policy = _Policy(seed)
        # fused: one call for all weights (two per decision); a loop over them took a third of an update's time
        self._optimizer = torch.optim.Adam(self._policy.parameters(), lr=learning_rate, fused=True)
        self._rollouts: list[tuple[Steps, float]] = []
        self._mean: float | None = None
        self._variance = 0.0

    def ask(self) -> Candidate:
        rng = self._rng.next()
        self._policy.begin()

        def choose(name: str, options: Sequence[T], /) -> T:
            return options[self._policy.decide(name, len(options), rng)]

        return candidate(record(self._space, choose))

    def tell(self, trial: Trial) -> None:
        score = objective_vector(trial, self._objectives)
        if score is None:
            return
        numbers = numbered(self._space, trial.trace)
        # added at a tell, not at an ask: a replay of the tells has to yield the same weights
        for name, (_, count) in numbers.items():
            self._optimizer.param_groups[0]["params"].extend(self._policy.add(name, count))
        self._rollouts.append(([(name, number) for name, (number, _) in numbers.items()], score[0]))
        if len(self._rollouts) == self._batch:
            self._update()
            self._rollouts.clear()

    def _update(self) -> None:
        advantages = torch.tensor([self._advantage(score) for _, score in self._rollouts])[:, None]
        before: Tensor | None = None
        picked, legal = self._policy.indices([steps for steps, _ in self._rollouts])
        for _ in range(self._epochs):
            chosen, entropy = self._policy(picked, legal)
            before = chosen.detach() if before is None else before
            ratio = (chosen - before).exp()
            gain = torch.minimum(ratio * advantages, ratio.clamp(1 - CLIP, 1 + CLIP) * advantages)
            self._optimizer.zero_grad()
            (-gain.sum(1).mean() - self._entropy * entropy).backward()
            self._optimizer.step()

    def _advantage(self, score: float) -> float:
        """The score less the baseline, in moving standard deviations; updates both."""
        gap = score - (score if self._mean is None else self._mean)
        self._mean = score - gap * BASELINE_DECAY
        self._variance = BASELINE_DECAY * self._variance + (1 - BASELINE_DECAY) * gap**2
        return gap / self._variance**0.5 if self._variance else 0.0


class _Policy(nn.Module):
    """The LSTM and, for every option of a decision, an input embedding and a row of the output layer.

    Weights of a decision become parameters once a told trial has taken it; until then they are drawn on each use.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed
        with torch.random.fork_rng(devices=[]):
            self.lstm = nn.LSTM(UNITS, UNITS, batch_first=True)
        for i, weight in enumerate(self.lstm.parameters()):
            self._draw(weight, str(i))
        self.rows: dict[str, tuple[nn.Parameter, nn.Parameter]] = {}

    def add(self, name: str, count: int) -> list[nn.Parameter]:
        """Make a decision's weights parameters; returns them, or an empty list if they are already."""
        if name in self.rows:
            return []
        self.rows[name] = self._new(name, count)
        return [*self.rows[name]]

    def begin(self) -> None:
        """Reset the hidden state: the next decision is a trace's first."""
        self._input, self._hidden, self._cell = np.zeros((3, UNITS), np.float32)
        of_input, of_hidden, *biases = (weight.detach().numpy() for weight in self.lstm.parameters())
        self._gates = of_input, of_hidden, sum(biases)

    def decide(self, name: str, count: int, rng: random.Random) -> int:
        """Take the next decision: sample the index of one of `count` options."""
        embedding, head = (weight.detach().numpy() for weight in self.rows.get(name) or self._new(name, count))
        self._step()
        logits = head @ self._hidden
        number = rng.choices(range(count), np.exp(logits - logits.max()).tolist())[0]
        self._input = embedding[number]
        return number

    def _step(self) -> None:
        """One LSTM step in numpy, equal to `forward`'s: a call of `nn.LSTM` per decision took most of an ask's time."""
        of_input, of_hidden, bias = self._gates
        gates = (of_input @ self._input + of_hidden @ self._hidden + bias).reshape(4, UNITS)
        enter, keep, show = 1 / (1 + np.exp(-gates[[0, 1, 3]]))
        self._cell = keep * self._cell + enter * np.tanh(gates[2])
        self._hidden = show * np.tanh(self._cell)

    def indices(self, taken: Sequence[Steps]) -> tuple[Tensor, Tensor]:
        """Output rows that the decisions of N traces took, (N, T), and masks of legal rows, (N, T, rows).

        The last row is padding past a trace's end.
        """
        counts = [len(head) for _, head in self.rows.values()]
        starts = dict(zip(self.rows, itertools.accumulate(counts, initial=0), strict=False))
        padding = sum(counts)
        picked = np.full((len(taken), max(map(len, taken))), padding)
        legal = np.zeros((*picked.shape, padding + 1), bool)
        for i, steps in enumerate(taken):
            for j, (name, number) in enumerate(steps):
                picked[i, j] = starts[name] + number
                legal[i, j, starts[name] : starts[name] + len(self.rows[name][1])] = True
        legal[..., padding] = picked == padding
        return torch.from_numpy(picked), torch.from_numpy(legal)

    def forward(self, picked: Tensor, legal: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities (N, T) of the decisions at `indices`, 0 at padding, and the mean entropy of a decision."""
        padding = legal.shape[-1] - 1
        zero = torch.zeros(1, UNITS)
        embeddings, heads = (torch.cat([*column, zero]) for column in zip(*self.rows.values(), strict=True))
        begin = torch.full((len(picked), 1), padding)
        outputs, _ = self.lstm(embeddings[torch.cat([begin, picked[:, :-1]], 1)])
        logs = (outputs @ heads.T).masked_fill(~legal, -torch.inf).log_softmax(-1)
        entropy = -(logs.exp() * logs.masked_fill(~legal, 0.0)).sum() / (picked != padding).sum()
        return logs.gather(-1, picked[..., None])[..., 0], entropy

    def _new(self, name: str, count: int) -> tuple[nn.Parameter, nn.Parameter]:
        embedding, head = (nn.Parameter(torch.empty(count, UNITS)) for _ in range(2))
        self._draw(embedding, f"{name}/embedding")
        self._draw(head, f"{name}/head")
        return embedding, head

    def _draw(self, weight: Tensor, name: str) -> None:
        """Initialise a weight from the seed and its name, independent of the order of calls."""
        generator = torch.Generator().manual_seed(random.Random(f"{self._seed}/{name}").getrandbits(63))
        nn.init.uniform_(weight, -INIT_RANGE, INIT_RANGE, generator=generator)
