"""Tasks: what each predicts, its losses and its metrics. A plug-in package that the registry alone leads to."""
