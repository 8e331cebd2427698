"""Downloading the open corpora: addresses and checksums from a file, every byte verified."""
