"""A trial as NNI's documentation shows it; it reports which parameters it really received."""

import random
import sys
import time

import nni

if nni.get_sequence_id() == 0:
    sys.exit(3)  # dies before it asks for parameters: an import error, no memory, a bad GPU
time.sleep(random.Random(nni.get_trial_id()).uniform(0, 3))  # trials never start equally fast
parameters = nni.get_next_parameter()
nni.report_final_result({"default": 0.0, "received": float(parameters["x"])})
