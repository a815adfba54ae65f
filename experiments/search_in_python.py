"""The search of a YAML, driven from Python through NNI's own NasExperiment.

    python experiments/search_in_python.py [STUDY.yml] [--engine ts|sequential] [--trials 4] [--port 8080]

`ts` trains in processes of their own and shows NNI's web UI; `sequential` trains in this process. Both keep the same
journal as `nnictl create` does, so `ednas report latest` works afterwards.
"""

import argparse
from pathlib import Path

import ednas_nni
from ednas_nni.study import read_experiment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("yaml", nargs="?", type=Path, default=Path(__file__).parent / "separate.yml")
    parser.add_argument("--engine", choices=("ts", "sequential"), default="ts")
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args()
    config, study = read_experiment(options.yaml)
    concurrency = config.get("trialConcurrency", 1)
    search = ednas_nni.experiment(study, options.engine, trials=options.trials, concurrency=concurrency)
    try:
        search.run(options.port)
    finally:
        search.stop()
    results = sorted(search.journal.history().results.values(), key=lambda trial: -trial.quality)
    for trial in results:
        print(f"{trial.architecture}  quality {trial.quality:.4f}  {trial.costs['latency_ms']:.2f} ms (modelled)")
    print(f"journal: {search.journal.path}")


if __name__ == "__main__":
    main()
