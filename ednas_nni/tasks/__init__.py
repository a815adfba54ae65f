"""Dense prediction tasks: what an output means, how it is trained and how it is judged.

One folder a task; nobody outside of it imports a concrete task (`base.TASKS` loads them by name). Beside them is what
they share: the base class, meters, masked means, the position prior and quality, and how losses are weighted.
"""
