"""The configuration: typed models put together, the library, rules across sections."""
