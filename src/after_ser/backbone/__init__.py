"""wav2vec 2.0 backbones: made from scratch or fetched, loaded strictly, their latents cached."""
