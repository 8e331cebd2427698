"""Tables and figures, each cell beside the published value."""
