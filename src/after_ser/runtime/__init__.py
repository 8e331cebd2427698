"""What every step needs to run: atomic files, named seeds, devices, checkpoints, time."""
