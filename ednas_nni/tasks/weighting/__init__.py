"""How the losses of several tasks become one: the base class. Those that are registered by name lie in `tasks`."""
