"""Corpora, their audio, and the datasets made of them: files in, folds out."""
