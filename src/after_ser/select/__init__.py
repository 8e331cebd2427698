"""Active learning: initial sets, strategies, queries, the simulated oracle."""
