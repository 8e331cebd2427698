"""What jobs ask of a cluster, and whether it can be had. Imports nothing heavy."""
