"""Audio: reading, clip checks, 16 kHz mono, conversion of whole corpora."""
