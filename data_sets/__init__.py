"""Data sets on disk, by the folders they come in, and what labels are (kinds/); the registry alone leads there."""
