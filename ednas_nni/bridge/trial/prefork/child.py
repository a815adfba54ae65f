"""A forked child becomes the trial that NNI started."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import random
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from ednas_nni.bridge.trial.phases import BEGUN
from ednas_nni.bridge.trial.prefork.client import Request

_PR_SET_PDEATHSIG = 1
ORPHANED = 71


def become(request: Request, outputs: Sequence[int], parent: int, work: Callable[[list[str]], int]) -> NoReturn:
    """Run the trial in this process, which was just forked, and end.

    Args:
        request: The client's request.
        outputs: File descriptors of its standard output and standard error.
        parent: Process id of the server.
        work: The trial: arguments -> exit code.
    """
    code = 1
    try:
        _detach(outputs, parent)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.environ[BEGUN] = str(request["begun"])
        os.chdir(request["folder"])
        sys.path.insert(0, request["folder"])  # where `python -m` looks first
        sys.argv = ["ednas_nni.bridge.trial", *request["arguments"]]
        gc.unfreeze()
        gc.enable()
        _own_random_numbers()
        _own_identity()
        code = work(list(request["arguments"]))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        traceback.print_exc()
        code = 130
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            _flush()
        finally:
            os._exit(code)


def _detach(outputs: Sequence[int], parent: int) -> None:
    """A session of its own, which dies with the server; the client's outputs; nothing else stays open."""
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above took effect
        os._exit(ORPHANED)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as Python does at its own start
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (outputs[0], 1), (outputs[1], 2)):
        os.dup2(source, target)
    os.closerange(3, 4096)


def _own_random_numbers() -> None:
    """Else all trials would draw the same ones wherever a seed is not set."""
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(random.getrandbits(32))
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(random.getrandbits(63))


def _own_identity() -> None:
    """NNI read its environment when the server imported it; it must read this trial's."""
    if "nni" not in sys.modules:
        return
    from nni.runtime import env_vars, log

    variables = env_vars._load_env_vars(env_vars._trial_env_var_names)
    env_vars.trial_env_vars = log.trial_env_vars = variables
    if "nni.trial" in sys.modules:
        vars(sys.modules["nni.trial"]).update(
            trial_env_vars=variables,
            _experiment_id=variables.NNI_EXP_ID or "STANDALONE",
            _trial_id=variables.NNI_TRIAL_JOB_ID or "STANDALONE",
            _sequence_id=int(variables.NNI_TRIAL_SEQ_ID or 0),
            _params=None,
            _intermediate_seq=0,
        )
    if variables.NNI_PLATFORM:
        log.silence_stdout()
        log.handlers.clear()
        log._init_logger_trial()


def _flush() -> None:
    logging.shutdown()
    for stream in (sys.stdout, sys.__stdout__, sys.stderr, sys.__stderr__):
        with suppress(OSError, ValueError):
            if stream is not None:
                stream.flush()
