"""Middlewares between any NNI strategy and any NNI engine: reward, reuse, constraints, record."""
