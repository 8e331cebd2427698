"""Fine-tuning: the emotion classifier, its few-shot training loop and its predictions."""
