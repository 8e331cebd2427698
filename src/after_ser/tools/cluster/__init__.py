"""What jobs ask of a cluster, and whether it has that. Imports nothing heavy."""
