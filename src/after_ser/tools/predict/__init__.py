"""Labels and probabilities of recordings, from an exported folder."""
