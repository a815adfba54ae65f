"""Devices: how sums of layer features become costs."""
