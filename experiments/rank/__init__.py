"""A ranking of proxies, from its plan to its report."""
