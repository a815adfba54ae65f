"""Building blocks of multi-task model spaces on NNI, and the reading of any NNI model space.

Importing this package prepares NNI first, so the modules below may import `nni.nas` in any order.
"""

from __future__ import annotations
