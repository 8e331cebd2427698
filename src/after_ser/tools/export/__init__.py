"""A run's model as a Hugging Face folder: which one, its temperature, its weights, its card."""
