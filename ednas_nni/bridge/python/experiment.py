"""A study as an NNI `NasExperiment`, for people who drive searches from Python."""

from __future__ import annotations

import logging
import shlex
import sys
from typing import Any

from ednas_nni.search.assembled import Assembled
from ednas_nni.study import Study, parse


def experiment(
    study: Study | dict[str, Any], engine: str = "ts", trials: int = 24, concurrency: int = 2, *, id: str | None = None
) -> Any:
    """Build the `nni.nas.experiment.NasExperiment` of a study, with journal, reuse and constraints mounted.

    Args:
        study: A parsed study or its plain data.
        engine: "ts" (NNI's training service: trials in processes of their own, web UI) or "sequential" (in
            this process).
        trials: How many trials there may be.
        concurrency: Trials at a time, "ts" only.
        id: Of an earlier experiment that is to be resumed, whatever ended it; also the id of a new one.

    Returns:
        The experiment; call `.run(port)`, or `.resume(port)` for an earlier one, and `.stop()` as with any other.
        `experiment.journal` is its journal; the file is made when the experiment starts.

    Raises:
        EdnasError: The study is wrong.

    Example:
        >>> from ednas_nni import experiment
        >>> search = experiment({"strategy": "random"}, engine="sequential", trials=4)  # doctest: +SKIP
        >>> search.run()  # doctest: +SKIP
    """
    from ednas_nni.bridge.python.journalled import JournalledExperiment
    from ednas_nni.compat.nas_search import NasExperimentConfig, SequentialEngineConfig

    assembled = Assembled(study if isinstance(study, Study) else parse(study))
    if lacking := assembled.baselines[1]:
        logging.getLogger("ednas").warning(lacking)
    config = NasExperimentConfig(engine, "simplified", None if engine == "sequential" else "local")
    config.max_trial_number = trials
    if engine == "sequential":
        config.execution_engine = SequentialEngineConfig(max_model_count=trials, continue_on_failure=True)
    else:
        config.trial_concurrency = concurrency
        config.training_service.use_active_gpu = False
        # NNI's trial command is fixed but for its interpreter; ours mends the outside world and then runs NNI's.
        config._trial_command_params = {"python": f"{shlex.quote(sys.executable)} -m ednas_nni.bridge.python.trial"}
    return JournalledExperiment(assembled, config, id=id)
