"""The tables of the paper, and the other tables of a run."""
