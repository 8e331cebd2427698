"""What everything else stands on: imports no other package of the project."""
