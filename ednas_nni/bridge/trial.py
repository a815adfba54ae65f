"""What NNI starts for each trial: `trialCommand: python3 -m ednas_nni.bridge.trial`.

The trial reads the study from the manager's record of the experiment, takes the parameters that are booked on
its own job, proves which architecture they are, builds exactly that network and lets the evaluator train and report it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from ednas_nni.errors import EdnasError, TrialError


def main(arguments: list[str] | None = None) -> int:
    """Run one trial. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ednas_nni.bridge.trial", description=__doc__)
    parser.add_argument(
        "--study", help="experiment YAML; needed where NNI's manager cannot be reached (remote training services)"
    )
    options = parser.parse_args(arguments)
    try:
        _run(options.study)
    except EdnasError as error:
        print(f"ednas: error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def _run(study_file: str | None) -> None:
    import nni

    from ednas_nni.bridge.channel import open_channel
    from ednas_nni.study import parse, read_experiment

    channel = open_channel()
    if channel is None:
        raise TrialError("this module is started by NNI; to search, run `ednas search FILE.yml` or `nnictl create`.")
    if channel.manager is not None:
        experiment = channel.manager.experiment()["params"]
        study = parse(experiment["tuner"].get("classArgs"))
    elif study_file:
        experiment, study = read_experiment(study_file)
    else:
        raise TrialError(
            "NNI's manager is out of reach of this trial. Ship the experiment's YAML with the code and write "
            "`trialCommand: python3 -m ednas_nni.bridge.trial --study experiments/ednas.yml`."
        )
    _set_threads(int(experiment.get("trialConcurrency") or 1))
    domains = _check_against_journal()
    sample = nni.get_next_parameter()
    if not isinstance(sample, dict):
        raise TrialError(f"NNI handed out {sample!r} instead of an architecture.")
    _train(study, sample, channel, domains)


def _set_threads(concurrency: int) -> None:
    """Trials share the cores; more threads than cores make all of them crawl."""
    threads = max(1, (os.cpu_count() or 1) // concurrency)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))


def _check_against_journal() -> Any:
    """Domains of the space from the journal's head, after checking that both sides run the same program.

    Returns:
        None where the journal is on another machine.
    """
    import ednas_nni
    from ednas_nni.domains import Domains
    from ednas_nni.journal import FILE, FOLDER, read

    here = Path(os.environ.get("NNI_SYS_DIR", ".")).resolve()
    path = next((p / FOLDER / FILE for p in here.parents if (p / FOLDER / FILE).exists()), None)
    if path is None:
        return None
    head = next(read(path))
    ours = (ednas_nni.__version__, str(Path(sys.prefix).resolve()), ".".join(map(str, sys.version_info[:3])))
    if ours != (head["ednas"], head["environment"], head["python"]):
        raise TrialError(
            f"the search runs EDNAS {head['ednas']} on Python {head['python']} in {head['environment']}, this trial "
            f"EDNAS {ours[0]} on Python {ours[2]} in {ours[1]}. Activate that environment before `nnictl create`, or "
            "give its interpreter in `trialCommand`."
        )
    return Domains.from_json(head["domains"])


def _train(study: Any, sample: dict[str, Any], channel: Any, domains: Any) -> None:
    from ednas_nni import assembly, plugins

    plugin = plugins.load("evaluators", study.evaluator.name)
    if getattr(plugin, "needs_network", True):
        _train_network(study, sample, channel, domains)
        return
    if domains is not None:
        sample = domains.canonical(sample)
        channel.architecture = domains.architecture_id(sample)
    assembly.evaluator(study).evaluate(sample)


def _train_network(study: Any, sample: dict[str, Any], channel: Any, domains: Any) -> None:
    from ednas_nni import assembly, compat

    compat.apply()
    import torch

    from ednas_nni.nn.tree import build, domains_of

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    space = assembly.space(study)
    found = domains_of(space)
    if domains is not None and found.to_json() != domains.to_json():
        raise TrialError(
            "the search space of this trial differs from the one the search was started with: its code was changed "
            "meanwhile. Stop the experiment and start a new one."
        )
    sample = found.canonical(sample)
    channel.architecture = found.architecture_id(sample)
    print(f"architecture {channel.architecture}", flush=True)
    evaluator = assembly.evaluator(study)
    evaluator.seed_everything()
    network = build(space, sample)
    evaluator.evaluate(network)
    _keep_examples(evaluator, network)


def _keep_examples(evaluator: Any, network: Any) -> None:
    """Example predictions for the report, beside the trial's log."""
    import numpy as np

    folder = os.environ.get("NNI_OUTPUT_DIR")
    if folder and hasattr(evaluator, "example_predictions"):
        arrays = evaluator.example_predictions(network)
        np.savez_compressed(Path(folder) / "examples.npz", **arrays)


if __name__ == "__main__":
    sys.exit(main())
