"""Pages that look inside an arm: its picks, the pool, recall by class, and sure mistakes."""
