"""Deterministic speech synthesis: small copies of the corpora for machines without data."""
