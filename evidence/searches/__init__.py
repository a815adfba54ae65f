"""Several searches: repeated over seeds and strategies, and compared."""
