"""What a run will cost, before it is started, and what it did cost."""
