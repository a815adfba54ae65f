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
        begun, job, log = time.time(), os.environ["NNI_TRIAL_JOB_ID"], os.environ.get("EDNAS_TEST_LOG")
        if log:
            Path(f"{log}.{job}").touch()
        while time.time() < begun + seconds:
            time.sleep(0.1)
        value = self.quality(sample)
        checkpoint = bytes(int(os.environ.get("EDNAS_TEST_BYTES", "0")))
        Path(os.environ["NNI_OUTPUT_DIR"], "checkpoint").write_bytes(checkpoint)
        if log:
            with Path(log).open("a") as file:
                file.write(f"{job} {value!r} {begun:.2f} {time.time():.2f} {os.environ['HOME']}\n")
        report({"default": value}, final=True)
        return {"default": value}
