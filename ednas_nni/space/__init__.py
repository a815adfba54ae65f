"""What can be chosen: labels with values and conditions, canonical samples, architecture ids, counting, draws."""
