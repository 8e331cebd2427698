"""Backbone families: one file and one line of `registry.FAMILIES` each."""
