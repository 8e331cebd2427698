"""From corpora to folds: labels mapped, corpora merged, balanced, split, and the split audited."""
