"""Searches on more than one machine: NNI's training service `remote`, made safe and complete (docs/machines.md)."""
