"""A trial in EDNAS' space the way NNI's documentation shows it: NNI's parameters, NNI's freeze, one evaluator."""

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from ednas_nni.bridge.trial.phases import Phases

phases = Phases()
phases.mark("start")
import nni  # noqa: E402

sample = nni.get_next_parameter()
phases.mark("parameters")
from ednas_nni import compat  # noqa: E402

compat.apply()
import nni.nas.nn.pytorch  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
from ednas_nni.search.assembled import Assembled  # noqa: E402
from ednas_nni.study import parse  # noqa: E402

study = parse(json.loads(Path(os.environ["EDNAS_BENCHMARK_STUDY"]).read_text(encoding="utf-8")))
space = Assembled(study).space
phases.mark("imports")
evaluator = Assembled(study).evaluator
evaluator.seed_everything()
network = space.freeze(sample)
phases.mark("network")
began = time.time()
evaluator.evaluate(network)
phases.mark("evaluation")
phases.write()
