"""The Edge TPU model against every published row: fit, leave-one-out, bootstrap ensemble, ranks inside a space.

python benchmarks/edge_tpu.py             prints, and writes benchmarks/results/edge_tpu.json
python benchmarks/edge_tpu.py --write     also writes the profile and the table of results/README.md
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import edge_tpu_tables
import numpy as np
from edge_tpu_fit.fit import Model, bootstrap, fit, leave_one_out
from edge_tpu_fit.published import PublishedNetwork, published_networks

from devices.edge_tpu.device import MAXIMA, SHARE, SUMS, EdgeTPU, design_matrix, priced
from devices.edge_tpu.profile import COEFFICIENTS, Coefficients, Spread, SystolicProfile, shipped
from ednas_nni.cost.records import LayerRecord

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "edge_tpu.json"
PROFILES = HERE.parent / "devices" / "edge_tpu" / "profiles"
LOWER = np.array([1.0, 0, 0, 0, 0, 0, 0])
"""Smallest coefficients: no array is faster than its cycles, and nothing makes a network faster."""
THRESHOLDS = tuple(np.round(np.arange(6.0, 8.45, 0.1), 2))
"""Candidates for the on-chip memory in MB: up to the chip's 8 MiB (8.39 MB), part of which holds the program."""
MEMBERS = 200


def network_totals(device: EdgeTPU, networks: Sequence[Sequence[LayerRecord]]) -> dict[str, np.ndarray]:
    """Features of whole networks, feature -> float64 (n,)."""
    totals = {name: np.zeros(len(networks)) for name in SUMS + MAXIMA}
    for row, layers in enumerate(networks):
        for layer in layers:
            for name, value in device.layer_features(layer).items():
                before = totals[name][row]
                totals[name][row] = max(before, value) if name in MAXIMA else before + value
    return totals


@dataclass(frozen=True)
class Row:
    """One published row; predictions and errors are leave-one-out for fitted rows."""

    network: str
    size: tuple[int, int]
    regime: str
    source: str
    published_ms: float
    fitted_ms: float
    predicted_ms: float
    error: float
    upper90_ms: float
    on_chip_mb: float
    left_out: str


class Table:
    """Published networks as features, with the fits that the benchmark needs."""

    def __init__(self, networks: Sequence[PublishedNetwork], profile: SystolicProfile) -> None:
        self.networks = tuple(networks)
        self.profile = profile
        self.totals = network_totals(EdgeTPU(profile), [network.layers for network in networks])
        self.measured = np.array([network.latency_ms for network in networks])
        self.regimes = [network.regime for network in networks]
        self._designs: dict[float, np.ndarray] = {}

    def design(self, on_chip_mb: float) -> np.ndarray:
        """Features of all rows, (n, 7)."""
        if on_chip_mb not in self._designs:
            self._designs[on_chip_mb] = design_matrix(self.totals, self.profile, on_chip_mb)
        return self._designs[on_chip_mb]

    def fit(self) -> Model:
        """The fit to all rows."""
        return fit(self.design, self.measured, LOWER, THRESHOLDS)

    def spread(self, model: Model, members: int = MEMBERS) -> Spread:
        """Ensemble and range of the fit to all rows."""
        ensemble = bootstrap(self.design, self.measured, LOWER, THRESHOLDS, members, strata=self.regimes)
        rows = self.design(model.threshold)[:, :-1]
        relative = rows / (rows @ model.coefficients[:-1])[:, None]
        inverse = np.linalg.pinv(relative.T @ relative)
        leverage = np.einsum("ni,ij,nj->n", relative, inverse, relative)
        largest = priced(rows, self.totals).max(axis=0)
        return Spread(
            on_chip_mb=ensemble.thresholds,
            coefficients=ensemble.coefficients,
            ratios=ensemble.ratios,
            inverse=inverse,
            leverage=leverage.max(),
            largest=largest,
        )

    def without(self, row: int) -> Table:
        """The same without one row."""
        return Table([network for i, network in enumerate(self.networks) if i != row], self.profile)


def described(profile: SystolicProfile, model: Model, spread: Spread) -> SystolicProfile:
    """The profile with a fit in place of its own coefficients."""
    coefficients = Coefficients(**dict(zip(COEFFICIENTS, map(float, model.coefficients), strict=True)))
    return profile.model_copy(update={"on_chip_mb": model.threshold, "coefficients": coefficients, "spread": spread})


def upper90(profile: SystolicProfile, networks: Sequence[PublishedNetwork]) -> np.ndarray:
    """Upper 90 % bounds with host work, as published rows have it, (n,)."""
    device = EdgeTPU(profile)
    totals = network_totals(device, [network.layers for network in networks])
    host = design_matrix(totals, profile, profile.on_chip_mb)[:, -1]
    spread = profile.spread
    members = device.members(totals) + host[:, None] * spread.coefficients[:, -1] * spread.ratios
    return np.quantile(members, SHARE, axis=1)


def rows(table: Table, beside: Sequence[PublishedNetwork], members: int) -> tuple[list[Row], Model, Spread]:
    """All rows with their errors, the fit and its ensemble."""
    model = table.fit()
    spread = table.spread(model)
    fitted = table.design(model.threshold) @ model.coefficients
    predicted, models = leave_one_out(table.design, table.measured, LOWER, THRESHOLDS)
    found = []
    for i, network in enumerate(table.networks):
        others = table.without(i)
        profile = described(table.profile, models[i], others.spread(models[i], members))
        bound = upper90(profile, [network])[0]
        found.append(_row(network, fitted[i], predicted[i], bound, models[i].threshold))
    if beside:
        profile = described(table.profile, model, spread)
        other = Table(beside, table.profile)
        values = other.design(model.threshold) @ model.coefficients
        bounds = upper90(profile, beside)
        found += [
            _row(network, value, value, bound, model.threshold)
            for network, value, bound in zip(beside, values, bounds, strict=True)
        ]
    return found, model, spread


def _row(network: PublishedNetwork, fitted: float, predicted: float, bound: float, threshold: float) -> Row:
    return Row(
        network.name,
        network.size,
        network.regime,
        network.source,
        network.latency_ms,
        round(float(fitted), 3),
        round(float(predicted), 3),
        round(float(predicted / network.latency_ms - 1), 4),
        round(float(bound), 3),
        float(threshold),
        network.left_out,
    )


def summarise(found: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Errors per regime, over fitted rows, and how many rows lie under their upper bound."""
    kept = [row for row in found if not row.left_out]
    groups = {name: [row for row in kept if row.regime == name] for name in ("on_chip", "streaming", "dense")}
    groups["all"] = kept
    groups["all but InceptionResNetV2"] = [row for row in kept if row.network != "InceptionResNetV2"]
    groups["all and DenseNet121"] = list(found)
    return {
        name: {
            "rows": len(group),
            "mape": round(float(np.mean([abs(row.error) for row in group])), 4),
            "median": round(float(np.median([abs(row.error) for row in group])), 4),
            "largest": round(max(abs(row.error) for row in group), 4),
            "under_upper90": round(float(np.mean([row.published_ms <= row.upper90_ms for row in group])), 4),
        }
        for name, group in groups.items()
    }


def ranks(profile: SystolicProfile, samples: int, seed: int = 0) -> dict[str, float]:
    """Kendall's tau between the members' orders of random architectures of `nano`, at 512 x 1024."""
    from scipy.stats import kendalltau

    from ednas_nni.cost import cost_table
    from ednas_nni.cost.summary import random_codes
    from search_spaces import nano

    device = EdgeTPU(profile)
    table = cost_table(nano({"segmentation": 13, "depth": 1, "normals": 3}), [device], (512, 1024))
    codes = random_codes(table.domains, samples, np.random.default_rng(seed))
    totals = table.own_totals(0, table.totals(codes))
    members, point = device.members(totals), device.costs(totals)
    with_point = [kendalltau(point["latency_ms"], member).statistic for member in members.T]
    rng = np.random.default_rng(seed)
    pairs = [rng.choice(members.shape[1], 2, replace=False) for _ in range(300)]
    among = [kendalltau(members[:, a], members[:, b]).statistic for a, b in pairs]
    wide = point["latency_ms_upper90"] / point["latency_ms"]
    return {
        "architectures": samples,
        "tau_with_point_median": round(float(np.median(with_point)), 4),
        "tau_with_point_smallest": round(float(np.min(with_point)), 4),
        "tau_between_members_median": round(float(np.median(among)), 4),
        "tau_between_members_5_percent": round(float(np.quantile(among, 0.05)), 4),
        "tau_of_upper90_with_point": round(
            float(kendalltau(point["latency_ms"], point["latency_ms_upper90"]).statistic), 4
        ),
        "upper90_over_point_median": round(float(np.median(wide)), 4),
        "extrapolated_share": round(float(device.extrapolated(totals).mean()), 4),
        "latency_ms_smallest": round(float(point["latency_ms"].min()), 3),
        "latency_ms_largest": round(float(point["latency_ms"].max()), 3),
    }


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="also write profile, ensemble and documentation")
    parser.add_argument("--members", type=int, default=60, help="refits per held-out row, for its upper bound")
    parser.add_argument("--samples", type=int, default=500, help="architectures whose ranks are compared")
    options = parser.parse_args()
    profile = shipped("edge_tpu")
    networks = published_networks()
    table = Table([network for network in networks if not network.left_out], profile)
    found, model, spread = rows(table, [network for network in networks if network.left_out], options.members)
    result = {
        "coefficients": {name: round(float(v), 5) for name, v in zip(COEFFICIENTS, model.coefficients, strict=True)},
        "on_chip_mb": model.threshold,
        "on_chip_mb_of_members": [float(np.quantile(spread.on_chip_mb, q)) for q in (0.05, 0.5, 0.95)],
        "coefficients_of_members": {
            name: [round(float(x), 4) for x in np.quantile(spread.coefficients[:, i], (0.05, 0.5, 0.95))]
            for i, name in enumerate(COEFFICIENTS)
        },
        "regimes": summarise(found),
        "ranks": ranks(described(profile, model, spread), options.samples),
        "rows": [asdict(row) for row in found],
    }
    show(result)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.write:
        write(model, spread, result["regimes"]["all"]["mape"])
        edge_tpu_tables.main()


def show(result: dict) -> None:
    """Print everything."""
    print(f"{'network':42} {'size':>10} {'regime':10} {'published':>9} {'held out':>9} {'error':>7} {'upper 90 %':>10}")
    for row in result["rows"]:
        size = "x".join(map(str, row["size"]))
        beside = "  (not fitted)" if row["left_out"] else ""
        print(
            f"{row['network']:42} {size:>10} {row['regime']:10} {row['published_ms']:9.1f} {row['predicted_ms']:9.1f} "
            f"{row['error']:+7.1%} {row['upper90_ms']:10.1f}{beside}"
        )
    for name, found in result["regimes"].items():
        print(
            f"{name:26} {found['rows']:3} rows  MAPE {found['mape']:.1%}  median {found['median']:.1%}  largest "
            f"{found['largest']:.0%}  under the upper bound {found['under_upper90']:.0%}"
        )
    print("coefficients", result["coefficients"], "on_chip_mb", result["on_chip_mb"])
    print("5, 50, 95 % of members", result["coefficients_of_members"], result["on_chip_mb_of_members"])
    print("ranks inside nano", result["ranks"])


def write(model: Model, spread: Spread, error: float) -> None:
    """Put the fit into the profile, and the ensemble beside it."""
    path = PROFILES / "edge_tpu.yml"
    text = path.read_text(encoding="utf-8")
    for name, value in [*zip(COEFFICIENTS, model.coefficients, strict=True), ("on_chip_mb", model.threshold)]:
        text = re.sub(rf"(?m)^(\s*{name}: ).*$", lambda m, v=value: f"{m[1]}{float(v):.5g}", text)
    text = re.sub(r"(?m)^(error: )[\d.]+", lambda m: f"{m[1]}{error:.4g}", text)
    path.write_text(text, encoding="utf-8")
    members = {
        "on_chip_mb": [float(x) for x in spread.on_chip_mb],
        "coefficients": [[float(f"{x:.5g}") for x in member] for member in spread.coefficients],
        "ratios": [float(f"{x:.5g}") for x in spread.ratios],
        "inverse": [[float(f"{x:.8g}") for x in line] for line in spread.inverse],
        "leverage": float(f"{spread.leverage:.6g}"),
        "largest": [float(f"{x:.8g}") for x in spread.largest],
    }
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(value)}" for name, value in members.items())
    (PROFILES / "edge_tpu_spread.json").write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
