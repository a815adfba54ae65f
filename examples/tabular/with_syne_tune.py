"""A search with Syne Tune on the table: python examples/tabular/with_syne_tune.py (pip install syne-tune)."""

from __future__ import annotations

from syne_tune.config_space import randint
from syne_tune.optimizer.baselines import REA
from syne_tune.optimizer.schedulers.ask_tell_scheduler import AskTellScheduler
from table import Table


def search(table: Table, trials: int = 24, seed: int = 0) -> int:
    """Number of the network that Syne Tune's regularized evolution chooses by one training of each that it tries."""
    space = {"network": randint(0, len(table) - 1)}
    evolution = REA(
        space, metric="quality", do_minimize=False, random_seed=seed, population_size=10, sample_size=5
    )  # its own population of 100 would be a random search
    scheduler = AskTellScheduler(evolution)
    tried: dict[int, float] = {}
    for _ in range(trials):
        trial = scheduler.ask()
        number = int(trial.config["network"])
        tried[number] = float(table.searched[number, seed % 2])
        scheduler.tell(trial, {"quality": tried[number]})
    return max(tried, key=lambda number: tried[number])


if __name__ == "__main__":
    streets = Table("streets")
    print(streets.worth(search(streets), seed=0))
