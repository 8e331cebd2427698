"""Acquisition: which clips to label next. One file per strategy, none of which sees a label."""
