"""A search with Optuna on the table: python examples/tabular/with_optuna.py (pip install 'ednas-nni[optuna]')."""

from __future__ import annotations

import optuna
from table import Table


def search(table: Table, trials: int = 24, seed: int = 0) -> int:
    """Number of the network that Optuna's default sampler chooses by one training of each that it tries."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(lambda t: table.searched[t.suggest_int("network", 0, len(table) - 1), seed % 2], trials)
    return int(study.best_params["network"])


if __name__ == "__main__":
    streets = Table("streets")
    print(streets.worth(search(streets), seed=0))
