"""Self-supervised objectives: `loss(model_output, batch) -> (scalar, parts)`, one file each."""
