"""The claims of the AFTER paper, each against this run: effect, interval and verdict.

`registry` lists them in the order of their numbers, one file holds one claim or one family,
`verdict` has the rules (docs/claims.md), `report` and `render` write the tables.
"""
