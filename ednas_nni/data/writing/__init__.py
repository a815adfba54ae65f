"""Writes any data set, e.g. rendered rooms, in the layout of another: one file per layout, each with ``write``.

So a reader can be tried without the real files, and rendered data can be used by other programs.
"""
