"""The weightings that are registered by name: how the losses of several tasks become one loss, or one gradient."""
