"""Figures 2 and 3 of the paper, and the other figures of a run."""
