"""Data sets as they lie on a user's disk: one file per layout, reader and writer, all built on `base.FolderSource`.

Read in this order: `record` (an image before and after decoding), `base` (what a layout must tell, and the data source
made from it), `cutting` (which image goes into which split), `fitting` (one decoded image becomes arrays of the wished
size), then any layout.
"""
