"""The version of this package, in a file of its own so that everybody may import it."""

__version__ = "0.1.0"
