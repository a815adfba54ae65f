"""What a search hands over: one architecture picked, confirmed, trained in full."""
