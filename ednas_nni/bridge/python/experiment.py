"""A study as an NNI `NasExperiment`, for people who drive searches from Python."""

from __future__ import annotations

import logging
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Any

from ednas_nni.record.journal import Journal, journal_path
from ednas_nni.search import assembly
from ednas_nni.study import Study, parse


def experiment(
    study: Study | dict[str, Any],
    engine: str = "ts",
    trials: int = 24,
    concurrency: int = 2,
    *,
    id: str | None = None,
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
    from ednas_nni.bridge.head import write_head
    from ednas_nni.bridge.python.journalled import JournalledExperiment
    from ednas_nni.compat.nas_search import NasExperimentConfig, SequentialEngineConfig
    from ednas_nni.search import mount

    study = study if isinstance(study, Study) else parse(study)
    model_space = assembly.space(study)
    table = assembly.cost_table(study, model_space)
    problem = assembly.problem(study, table)
    compared, lacking = assembly.references(study)
    if lacking:
        logging.getLogger("ednas").warning(lacking)
    evaluator = assembly.checked_evaluator(study, compared)
    starts = assembly.start_samples(study, model_space)
    strategy = assembly.strategy(study, starts)
    reward = assembly.hardware_reward(study, not getattr(strategy, "multi_objective", False))
    config = NasExperimentConfig(engine, "simplified", None if engine == "sequential" else "local")
    config.max_trial_number = trials
    if engine == "sequential":
        config.execution_engine = SequentialEngineConfig(max_model_count=trials, continue_on_failure=True)
    else:
        config.trial_concurrency = concurrency
        config.training_service.use_active_gpu = False
        # NNI's trial command is fixed but for its interpreter; ours mends the outside world and then runs NNI's.
        config._trial_command_params = {"python": f"{shlex.quote(sys.executable)} -m ednas_nni.bridge.python.trial"}
    # The experiment's id, and with it the journal's place, is known once it is made; the chain needs the journal.
    found = JournalledExperiment(model_space, evaluator, strategy, config, id=id)
    folder = Path(found.config.canonical_copy().experiment_working_directory)
    found.journal = Journal(journal_path(folder, found.id))
    found.write_head = partial(
        write_head,
        found.journal,
        found.id,
        study,
        problem,
        table,
        assembly.data_source(study).info.fingerprint,
        members=assembly.member_ids(model_space),
        references=compared.dump() if compared else None,
        weights=assembly.initial_weights(study, model_space),
        engine=engine,
        concurrency=1 if engine == "sequential" else concurrency,
        trials=trials,
    )
    known = assembly.reachable(problem, table)
    found.problem, found.inner, found.rewarded = problem, strategy, bool(reward)
    found.retries, found.trial_time_limit_s = study.retries, study.trial_time_limit_s
    found.allow_open_port = study.allow_open_port
    found.strategy = mount(
        strategy,
        problem,
        found.journal,
        hardware_aware=reward,
        reachable=known,
        retries=study.retries,
        stop_after_failures=study.stop_after_failures,
    )
    return found
