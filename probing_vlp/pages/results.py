"""Results as tidy rows: every number of a report stands here, and a report's tables are made from these rows alone.

One row is one number: what was measured (`name`), on which dump (`model`), the value with its interval, the number of
units behind it, and the code that produced it.  Written twice with the same content, `results.csv` and `results.json`.
A value that could not be had is None (an empty CSV cell, JSON null), and `note` says why.
"""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probing_vlp.errors import UserError
from probing_vlp.files import read_bytes, write_together
from probing_vlp.stats import Estimate

REMEDY = "make it with: python -m analysis report DUMP... --out DIR"


@dataclass(frozen=True)
class Row:
    """One measured number."""

    name: str
    """What was measured: "BLEU-4", "perplexity", "unigram_share:1:a"."""
    model: str
    """Label of the dump."""
    value: float | None
    """None where it could not be measured; `note` says why."""
    ci_low: float | None
    """Lower end of the 95% interval, None where there is none."""
    ci_high: float | None
    n: int
    """Number of units (images, unless `unit` or `note` says otherwise) behind the value."""
    unit: str
    source: str
    """The code, and where it matters its version, that the value comes from."""
    note: str = ""


FIELDS = tuple(field.name for field in dataclasses.fields(Row))


def row(name: str, model: str, estimate: Estimate, unit: str, source: str, note: str = "") -> Row:
    """A row from an estimate; NaN ends and NaN values become None."""
    value, low, high = (None if math.isnan(x) else float(x) for x in estimate[:3])
    return Row(name, model, value, low, high, int(estimate.n), unit, source, note)


def unavailable(name: str, model: str, unit: str, source: str, why: str, n: int = 0) -> Row:
    """A row without a value; its note is "unavailable: why"."""
    return Row(name, model, None, None, None, n, unit, source, f"unavailable: {why}")


def write_rows(folder: Path, rows: Sequence[Row], stem: str = "results") -> tuple[Path, Path]:
    """Write `stem`.csv and `stem`.json under `folder`, both or none; returns the two paths."""
    records = [dataclasses.asdict(r) for r in rows]
    text = io.StringIO()
    table = csv.DictWriter(text, FIELDS, lineterminator="\n")
    table.writeheader()
    table.writerows(records)
    csv_path, json_path = folder / f"{stem}.csv", folder / f"{stem}.json"
    as_json = json.dumps(records, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_together({csv_path: text.getvalue().encode(), json_path: as_json.encode()})
    return csv_path, json_path


def read_rows(path: Path) -> list[Row]:
    """Rows of a results file, .csv or .json.  Raises UserError for a file that holds something else."""
    raw = read_bytes(path, "results file", REMEDY)
    try:
        text = raw.decode("utf-8")
        records = list(csv.DictReader(io.StringIO(text))) if path.suffix == ".csv" else json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a results file ({error}); {REMEDY}") from None
    if not isinstance(records, list):
        raise UserError(f"{path}: a results file is a list of rows; {REMEDY}")
    return [_row(path, i, record) for i, record in enumerate(records, 1)]


def _row(path: Path, number: int, record: Any) -> Row:
    if not isinstance(record, dict) or set(record) != set(FIELDS):
        raise UserError(f"{path}, row {number}: the columns must be {', '.join(FIELDS)}; {REMEDY}")
    try:
        value, low, high = (
            None if record[key] in (None, "") else float(record[key]) for key in ("value", "ci_low", "ci_high")
        )
        count = int(record["n"])
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}, row {number}: {error}; {REMEDY}") from None
    texts = {key: str(record[key]) for key in ("name", "model", "unit", "source", "note")}
    return Row(value=value, ci_low=low, ci_high=high, n=count, **texts)
