"""Data sets as they lie on a user's disk: one file per layout, all built on :class:`base.FolderSource`.

Read in this order: ``base`` (what a layout must tell, and the data source made from it), ``cutting`` (which image goes
into which split), ``fitting`` (one decoded image becomes arrays of the wished size), ``decoding`` (the parallel
workers), ``reading`` (files and their errors), then any layout.
"""
