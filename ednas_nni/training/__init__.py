"""How a network is trained and scored.

Names are imported on first use, so that light evaluators do not load torch.
"""

from __future__ import annotations

from ednas_nni.plugins import lazy

__getattr__ = lazy(__name__, {"JaredEvaluator": "jared", "seed_everything": "seeding", "seeded": "seeding"})
