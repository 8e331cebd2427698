"""Scores of saved predictions, their statistics, and every cell's time along its lineage."""
