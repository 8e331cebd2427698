"""Corpora: one adapter per release layout, and the index of what a release holds."""
