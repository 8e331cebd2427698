"""Training: the one loop, when it stops, and what it is judged by on val."""
