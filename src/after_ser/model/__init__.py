"""The model: backbone families, what a round trains on top of one, and the heads."""
