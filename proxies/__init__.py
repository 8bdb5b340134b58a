"""Proxies: cheap ways to score a candidate."""
