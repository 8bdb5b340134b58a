"""How a search and what it found are shown: the live view, the leaderboard, drawings of genotypes."""
