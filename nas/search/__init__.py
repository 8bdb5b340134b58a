"""How a search runs: strategies, runners, the store, and the loop that joins them."""
