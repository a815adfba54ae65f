"""Data sets on disk, by the folders they come in. A plug-in package that the registry alone leads to."""
