"""Blocks of a stage: a plug-in group. `base` is the contract, every other file a block or a part of several."""
