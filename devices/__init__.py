"""Devices: how features of a network become costs. A plug-in package that the registry alone leads to."""
