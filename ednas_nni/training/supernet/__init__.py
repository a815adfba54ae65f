"""One training, thousands of networks: a supernet whose networks share weights, and an evaluator that inherits them."""
