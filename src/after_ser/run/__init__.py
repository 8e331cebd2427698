"""What every step needs while it runs: files, checkpoints, devices, progress."""
