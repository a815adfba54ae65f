"""A stub whose trials take longer on some hosts, and that writes down each training that came to its end."""

from __future__ import annotations

import os
import time
from pathlib import Path

import nni

from ednas_nni.training.evaluator import report
from ednas_nni.training.stub import StubEvaluator


@nni.trace
class Uneven(StubEvaluator):
    def evaluate(self, sample):
        seconds = self.seconds * float(os.environ.get("EDNAS_TEST_SLOW", "1"))
        begun = time.time()
        while time.time() < begun + seconds:
            time.sleep(0.1)
        value = self.quality(sample)
        if log := os.environ.get("EDNAS_TEST_LOG"):
            with Path(log).open("a") as file:
                file.write(
                    f"{os.environ['NNI_TRIAL_JOB_ID']} {value!r} {begun:.2f} {time.time():.2f} {os.environ['HOME']}\n"
                )
        report({"default": value}, final=True)
        return {"default": value}
