"""Zero-cost scores, computed on untrained networks, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from proxies.zero_cost.entropy import entropy
from proxies.zero_cost.grad_norm import grad_norm
from proxies.zero_cost.grasp import grasp
from proxies.zero_cost.jacob_cov import jacob_cov
from proxies.zero_cost.naswot import naswot
from proxies.zero_cost.network import Score
from proxies.zero_cost.snip import snip
from proxies.zero_cost.synflow import synflow
from proxies.zero_cost.zen import zen
from proxies.zero_cost.zico import zico

ZERO_COST: Mapping[str, Score] = MappingProxyType(
    {
        "synflow": synflow,
        "snip": snip,
        "grasp": grasp,
        "grad_norm": grad_norm,
        "jacob_cov": jacob_cov,
        "naswot": naswot,
        "zen": zen,
        "zico": zico,
        "entropy": entropy,
    }
)
