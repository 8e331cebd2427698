"""Fetching the corpora that may be fetched: addresses and checksums in a file, bytes verified."""
