"""The claims of the AFTER paper, each against this run: effect, interval and verdict.

`registry` has their words in the order of their numbers. A file measures those on one table or
figure of the paper. `verdict` has the rules (docs/claims.md), `report` and `render` write the
tables.
"""
