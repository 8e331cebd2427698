"""wav2vec 2.0 on a CPU, faster than transformers' modules and equal to them up to rounding.

Optional: `fast: false` in a protocol fits with transformers' own modules, and without this package
everything runs with them (tests/model/test_families.py).
"""
