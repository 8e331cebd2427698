"""Studies beside the paper's method, one package each."""
