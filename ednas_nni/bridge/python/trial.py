"""A trial of `ednas_nni.experiment` on NNI's training service: the same one as under nnictl.

Started as `python -m ednas_nni.bridge.python.trial -m nni.nas.execution.training_service trial`: NNI insists on the end
of that line, which is not looked at.
"""

from __future__ import annotations

import sys

from ednas_nni.bridge.trial.__main__ import main

if __name__ == "__main__":
    sys.exit(main([]))
