"""Exporters: files of networks for other runtimes. A plug-in package that the registry alone leads to."""
