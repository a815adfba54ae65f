"""EDNAS's trial, made to start unequally slowly; the first one dies before it asks for its parameters."""

import os
import random
import sys
import time

from ednas_nni.bridge.trial.__main__ import main

if os.environ["NNI_TRIAL_SEQ_ID"] == "0":
    sys.exit(3)
time.sleep(random.Random(os.environ["NNI_TRIAL_JOB_ID"]).uniform(0, 3))
sys.exit(main())
