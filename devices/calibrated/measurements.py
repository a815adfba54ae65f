"""Measured costs of architectures, as a CSV file that people fill in, and what the model says of the same ones."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from devices.calibrated.correction import Array
from ednas_nni.cost.device import FeatureDevice
from ednas_nni.cost.table import CostTable
from ednas_nni.errors import EdnasError, SampleError, did_you_mean, quoted
from ednas_nni.space.domains import Domains, Sample

GIVEN = ("architecture", "sample")
EXTRA = ("repeats", "onnx", "tflite")
Find = Callable[[str], Sample]
"""Named member or architecture id -> sample."""


@dataclass(frozen=True)
class Measurements:
    """What a file says, one entry per architecture.

    Attributes:
        samples: Canonical samples.
        values: Measured costs, float64 (n,), > 0; the mean over an architecture's rows, weighted by their repeats.
        repeats: Runs behind each value, int64 (n,).
        empty: Rows without a value, which are left out.
        spread: Mean relative standard deviation between rows of one architecture; None where each has one row.
    """

    samples: tuple[Sample, ...] = field(repr=False)
    values: np.ndarray
    repeats: np.ndarray
    empty: int
    spread: float | None


@dataclass(frozen=True)
class PricedTerms:
    """What a model's cost of some architectures is made of: terms, float64 (n, terms), in the cost's unit.

    Attributes:
        probe: Features of the first architecture.
        extrapolated: Where the model had to go beyond what it was compared with, bool (n,).
    """

    names: tuple[str, ...]
    matrix: Array
    probe: dict[str, float]
    extrapolated: NDArray[np.bool_]


def priced_terms(table: CostTable, cost: str, codes: NDArray[np.integer]) -> PricedTerms:
    """Terms of a cost of encoded architectures (n, labels); the cost itself where its device says nothing of them.

    Raises:
        EdnasError: The cost is not a function of features, so there is nothing to correct.
    """
    number, column = table.owner(cost)
    device, totals = table.devices[number], table.own_totals(number, table.totals(codes))
    if not isinstance(device, FeatureDevice):
        raise EdnasError(f"{cost} is exact for the order in which layers run; there is nothing to correct.")
    terms = device.terms_or_whole(column, totals)
    beyond = device.extrapolated(totals)
    return PricedTerms(
        tuple(terms),
        np.stack(list(terms.values()), axis=1),
        {name: float(values[0]) for name, values in totals.items()},
        np.zeros(len(codes), bool) if beyond is None else beyond,
    )


def read_measurements(path: Path, cost: str, domains: Domains, find: Find) -> Measurements:
    """Read measurements of a cost, such as `latency_ms`, from a CSV file with a header.

    Its columns: `architecture` (a sample as JSON, or an architecture id or named member, which `find` looks up) or
    `sample` (JSON; it wins), the cost, and optionally `repeats` (whole number of runs behind the figure). Rows with an
    empty cost are left out, unless a result of `litert-benchmark` lies beside their `.tflite` file.

    Raises:
        EdnasError: The file cannot be read, or a row is wrong; the message has its line.
    """
    rows, empty = _rows(path, cost), 0
    measured: dict[str, tuple[Sample, list[float], list[int]]] = {}
    for line, row in rows:
        where = f"{path}, line {line}"
        if not row[cost] and cost == "latency_ms" and (file := row.get("tflite")):
            row |= _benchmarked(path.parent / file, cost)
        if not row[cost]:
            empty += 1
            continue
        value, repeats = _value(row[cost], where, cost), row.get("repeats") or "1"
        if not repeats.isdecimal() or len(repeats) > 9 or int(repeats) < 1:
            raise EdnasError(f"{where}: repeats = {quoted(repeats)} is not a whole number of at least 1")
        sample = _sample(row, where, domains, find)
        _, values, runs = measured.setdefault(domains.architecture_id(sample), (sample, [], []))
        values.append(value)
        runs.append(int(repeats))
    if not measured:
        why = f"all {empty} rows have an empty {cost}" if empty else "it has no rows"
        raise EdnasError(f"{path}: nothing is measured: {why}. Write one number per architecture")
    several = [np.std(values, ddof=1) / np.mean(values) for _, values, _ in measured.values() if len(values) > 1]
    return Measurements(
        tuple(sample for sample, _, _ in measured.values()),
        np.array([np.average(values, weights=repeats) for _, values, repeats in measured.values()]),
        np.array([sum(repeats) for _, _, repeats in measured.values()]),
        empty,
        float(np.mean(several)) if several else None,
    )


def write_measurements(path: Path, cost: str, rows: Sequence[tuple[str, Sample, float, str]], column: str) -> None:
    """Write a file to fill in: (architecture id, sample, modelled cost, network's file for `column` or "") per row."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["architecture", cost, "repeats", f"modelled_{cost}", column, "sample"])
        for architecture, sample, modelled, network in rows:
            writer.writerow([architecture, "", "", f"{modelled:.6g}", network, json.dumps(sample)])


def _benchmarked(path: Path, cost: str) -> dict[str, str]:
    """Cells of what `litert-benchmark` said beside a `.tflite` file, if it did; EdnasError: it is of another file."""
    result = path.with_name(f"{path.name}.json")
    try:
        content = json.loads(result.read_text(encoding="utf-8"))
        latency, model = content["latency"], Path(content["model"]).name
        cells = {cost: str(latency["median_ms"]), "repeats": str(latency["num_runs"])}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise EdnasError(f"{result}: is no result of litert-benchmark ({type(error).__name__}: {error})") from None
    if model != path.name:
        raise EdnasError(f"{result}: is of {model}, not of {path.name}. Measure it again")
    return cells


def _rows(path: Path, cost: str) -> list[tuple[int, dict[str, str]]]:
    """(line, cells without spaces at their ends) of every row that is not blank."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            columns, allowed = [(name or "").strip() for name in reader.fieldnames or ()], (*GIVEN, cost, *EXTRA)
            if len(columns) == 1 and any(mark in columns[0] for mark in ";\t"):
                raise EdnasError(f"{path}: the columns are not separated by commas; save it with commas")
            for name in columns:
                if name not in (*allowed, f"modelled_{cost}"):
                    raise EdnasError(f"{path}: column {name!r} is unknown.{did_you_mean(name, allowed)}")
                if columns.count(name) > 1:
                    raise EdnasError(f"{path}: column {name!r} is there twice")
            if cost not in columns or not set(GIVEN) & set(columns):
                lacking = cost if cost not in columns else "architecture"
                raise EdnasError(f"{path}: column {lacking!r} is missing. The first line must be: architecture,{cost}")
            reader.fieldnames = columns
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise EdnasError(
                        f"{path}, line {reader.line_num}: has not as many cells as the header ({len(columns)}). A "
                        "sample in JSON needs quotes around it, with each of its own quotes doubled"
                    )
                cells = {name: value.strip() for name, value in row.items()}
                if any(cells.values()):
                    rows.append((reader.line_num, cells))
            return rows
    except OSError as error:
        raise EdnasError(f"{path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise EdnasError(f"{path}: is not a text file in UTF-8.") from None
    except csv.Error as error:
        raise EdnasError(f"{path}: is not a CSV file: {error}.") from None


def _value(text: str, where: str, cost: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise EdnasError(f"{where}: {cost} = {text!r} is not a positive number, with a point for decimals")
    return value


def _sample(row: Mapping[str, str], where: str, domains: Domains, find: Find) -> Sample:
    text = row.get("sample") or row.get("architecture") or ""
    if not text:
        raise EdnasError(f"{where}: names no architecture")
    try:
        if not text.startswith("{"):
            return domains.complete(find(text))
        return domains.complete(json.loads(text))
    except json.JSONDecodeError as error:
        raise EdnasError(f"{where}: the sample is not JSON: {error}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets without end
        raise EdnasError(f"{where}: the sample {quoted(text, 40)} cannot be read") from None
    except SampleError as error:
        raise EdnasError(f"{where}: {error}") from None
