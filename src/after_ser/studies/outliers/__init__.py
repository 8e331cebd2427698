"""Clips of another corpus or with a wrong label in the pool, and whether a query takes them."""
