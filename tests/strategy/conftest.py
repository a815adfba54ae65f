from __future__ import annotations

import torch

from ednas_nni import compat

compat.apply()
torch.set_num_threads(1)
