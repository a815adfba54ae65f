"""Exported files of a network: one exporter a format, what a file says of itself, the proof that it answers alike."""
