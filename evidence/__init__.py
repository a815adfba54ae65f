"""How far a search can be trusted: its scores against longer trainings, and several searches over each other."""
