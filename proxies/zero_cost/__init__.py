"""Zero-cost scores, computed on untrained networks, by name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from nas.deferred import deferred

if TYPE_CHECKING:
    from proxies.zero_cost.network import Score

ZERO_COST: "Mapping[str, Score]" = MappingProxyType(
    {
        "synflow": deferred("proxies.zero_cost.synflow:synflow"),
        "snip": deferred("proxies.zero_cost.snip:snip"),
        "grasp": deferred("proxies.zero_cost.grasp:grasp"),
        "grad_norm": deferred("proxies.zero_cost.grad_norm:grad_norm"),
        "jacob_cov": deferred("proxies.zero_cost.jacob_cov:jacob_cov"),
        "naswot": deferred("proxies.zero_cost.naswot:naswot"),
        "zen": deferred("proxies.zero_cost.zen:zen"),
        "zico": deferred("proxies.zero_cost.zico:zico"),
        "entropy": deferred("proxies.zero_cost.entropy:entropy"),
    }
)
