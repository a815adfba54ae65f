"""What labels are: one module a label kind, plug-ins as any other; `ednas_nni.data.kinds.base` is their contract."""
