"""What stands beside the paper's method: one package per study."""
