"""How well a model does: scores, statistics, tables, figures, claims."""
