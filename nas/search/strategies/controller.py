"""The controller of SpineNet's and NAS-FPN's searches: a recurrent network that learns to decide by policy gradient."""

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from nas.search.ranking import merit
from nas.search.strategies.turns import Turns, candidate, numbered
from nas.search.types import Candidate, Direction, Storable, Trial
from search_spaces.choose import Choice, SearchSpace, record

T = TypeVar("T", bound=Choice)
Steps = list[tuple[str, int]]
"""Decisions in the order they were taken: name, and number of the option."""

UNITS = 64
SPREAD = 0.08
"""Weights begin uniformly within it on either side of zero (Zoph and Le 2017, section 4.1)."""
CLIP = 0.2
"""By what share an update may change a decision's probability (PPO: Schulman et al. 2017, arXiv 1707.06347, eq. 7)."""
KEEP = 0.95
"""Of the baseline, at each trial: it is the scores' moving average (Zoph and Le 2017, section 3.2)."""


class Controller:
    """An LSTM takes one decision after the other, and is trained by PPO on what came of them (arXiv 1611.01578,
    section 3; 1707.07012, appendix A.1; 1904.07392, section 3.2; 1912.05027, section 3.2).

    The first objective, standardised by its moving mean and deviation, is the reward. Trials stopped early count with
    their last scores, failed ones teach nothing.

    Args:
        batch: trials an update learns from.
        epochs: gradient steps an update takes.
        learning_rate: Adam's. The published .00035 serves searches of thousands of trials.
        entropy: weight of the decisions' mean entropy in what is maximised. The published .00001 lets so short a search
            freeze before it has found anything.
    """

    def __init__(
        self,
        space: SearchSpace[Storable],
        objectives: Mapping[str, Direction],
        *,
        seed: int,
        asked: int = 0,
        batch: int = 8,
        epochs: int = 4,
        learning_rate: float = 0.003,
        entropy: float = 0.2,
    ) -> None:
        self._space = space
        self._objectives = objectives
        self._turns = Turns(seed, asked)
        self._batch = batch
        self._epochs = epochs
        self._entropy = entropy
        self._policy = _Policy(seed)
        # one call for all weights, of which each decision has two: the others' loop over them took a third of learning
        self._optimizer = torch.optim.Adam(self._policy.parameters(), lr=learning_rate, fused=True)
        self._told: list[tuple[Steps, float]] = []
        self._mean: float | None = None
        self._variance = 0.0

    def ask(self) -> Candidate:
        rng = self._turns.next()
        self._policy.begin()

        def choose(name: str, options: Sequence[T], /) -> T:
            return options[self._policy.decide(name, len(options), rng)]

        return candidate(record(self._space, choose))

    def tell(self, trial: Trial) -> None:
        score = merit(trial, self._objectives)
        if score is None:
            return
        numbers = numbered(self._space, trial.trace)
        # known from here on and not from when they are asked for: whoever replays the tells has to learn the same
        for name, (_, count) in numbers.items():
            self._optimizer.param_groups[0]["params"].extend(self._policy.know(name, count))
        self._told.append(([(name, number) for name, (number, _) in numbers.items()], score[0]))
        if len(self._told) == self._batch:
            self._learn()
            self._told.clear()

    def _learn(self) -> None:
        advantages = torch.tensor([self._advantage(score) for _, score in self._told])[:, None]
        before: Tensor | None = None
        picked, legal = self._policy.places([steps for steps, _ in self._told])
        for _ in range(self._epochs):
            chosen, entropy = self._policy(picked, legal)
            before = chosen.detach() if before is None else before
            ratio = (chosen - before).exp()
            gain = torch.minimum(ratio * advantages, ratio.clamp(1 - CLIP, 1 + CLIP) * advantages)
            self._optimizer.zero_grad()
            (-gain.sum(1).mean() - self._entropy * entropy).backward()
            self._optimizer.step()

    def _advantage(self, score: float) -> float:
        """By how many deviations a score is better than those before it."""
        apart = score - (score if self._mean is None else self._mean)
        self._mean = score - apart * KEEP
        self._variance = KEEP * self._variance + (1 - KEEP) * apart**2
        return apart / self._variance**0.5 if self._variance else 0.0


class _Policy(nn.Module):
    """What the LSTM has been told of the decisions so far, and how likely it takes which option next.

    Every decision has an embedding and a row of the output layer for each of its options. Those of the decisions it was
    told of are kept and learn; until then they are drawn when they are needed.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed
        with torch.random.fork_rng(devices=[]):
            self.lstm = nn.LSTM(UNITS, UNITS, batch_first=True)
        for i, weight in enumerate(self.lstm.parameters()):
            self._draw(weight, str(i))
        self.rows: dict[str, tuple[nn.Parameter, nn.Parameter]] = {}

    def know(self, name: str, count: int) -> list[nn.Parameter]:
        """The weights of a decision with so many options from now on, if it is a new one."""
        if name in self.rows:
            return []
        self.rows[name] = self._new(name, count)
        return [*self.rows[name]]

    def begin(self) -> None:
        """Forget the decisions taken."""
        self._input, self._hidden, self._cell = np.zeros((3, UNITS), np.float32)
        of_input, of_hidden, *biases = (weight.detach().numpy() for weight in self.lstm.parameters())
        self._gates = of_input, of_hidden, sum(biases)

    def decide(self, name: str, count: int, rng: random.Random) -> int:
        """Take the next decision: the number of one of so many options."""
        embedding, head = (weight.detach().numpy() for weight in self.rows.get(name) or self._new(name, count))
        self._step()
        logits = head @ self._hidden
        number = rng.choices(range(count), np.exp(logits - logits.max()).tolist())[0]
        self._input = embedding[number]
        return number

    def _step(self) -> None:
        """What `forward` has torch do for all decisions at once: a call of `nn.LSTM` for each took most of an ask."""
        of_input, of_hidden, bias = self._gates
        gates = (of_input @ self._input + of_hidden @ self._hidden + bias).reshape(4, UNITS)
        enter, keep, show = 1 / (1 + np.exp(-gates[[0, 1, 3]]))
        self._cell = keep * self._cell + enter * np.tanh(gates[2])
        self._hidden = show * np.tanh(self._cell)

    def places(self, taken: Sequence[Steps]) -> tuple[Tensor, Tensor]:
        """Which row of the output layer each decision of N traces took, (N, T), and which it might have, (N, T, rows).

        The last row stands for no decision, past a trace's end.
        """
        counts = [len(head) for _, head in self.rows.values()]
        starts = dict(zip(self.rows, itertools.accumulate(counts, initial=0), strict=False))
        nothing = sum(counts)
        picked = np.full((len(taken), max(map(len, taken))), nothing)
        legal = np.zeros((*picked.shape, nothing + 1), bool)
        for i, steps in enumerate(taken):
            for j, (name, number) in enumerate(steps):
                picked[i, j] = starts[name] + number
                legal[i, j, starts[name] : starts[name] + len(self.rows[name][1])] = True
        legal[..., nothing] = picked == nothing
        return torch.from_numpy(picked), torch.from_numpy(legal)

    def forward(self, picked: Tensor, legal: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities (N, T) of the decisions at `places`, 0 past an end, and the mean entropy of a decision."""
        nothing = legal.shape[-1] - 1
        zero = torch.zeros(1, UNITS)
        embeddings, heads = (torch.cat([*column, zero]) for column in zip(*self.rows.values(), strict=True))
        begin = torch.full((len(picked), 1), nothing)
        outputs, _ = self.lstm(embeddings[torch.cat([begin, picked[:, :-1]], 1)])
        logs = (outputs @ heads.T).masked_fill(~legal, -torch.inf).log_softmax(-1)
        entropy = -(logs.exp() * logs.masked_fill(~legal, 0.0)).sum() / (picked != nothing).sum()
        return logs.gather(-1, picked[..., None])[..., 0], entropy

    def _new(self, name: str, count: int) -> tuple[nn.Parameter, nn.Parameter]:
        embedding, head = (nn.Parameter(torch.empty(count, UNITS)) for _ in range(2))
        self._draw(embedding, f"{name}/embedding")
        self._draw(head, f"{name}/head")
        return embedding, head

    def _draw(self, weight: Tensor, name: str) -> None:
        """Weights depend on the seed and their name, not on when they are made."""
        generator = torch.Generator().manual_seed(random.Random(f"{self._seed}/{name}").getrandbits(63))
        nn.init.uniform_(weight, -SPREAD, SPREAD, generator=generator)
