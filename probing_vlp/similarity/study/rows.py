"""The numbers of a run as tidy rows: one row is one number with its interval, and the report is made from rows alone.

    measure       what `rho` is
    spearman      correlation of a model's distances with the target's; `p` from permuted words
    residual, semipartial, partial   the same without what `versus` explains (measures.py)
    difference    of two such correlations, this row's less that of `versus`; `p` from the word bootstrap, two-sided
    share         correlation of the untrained twins, mean of the seeds, as a part of the trained model's
    spread        standard deviation of the target's own distances
    participants  mean over participants of the correlation with each one's matrix; the interval is over participants
    ceiling_low, ceiling_high        noise ceiling of the participants (ceilings.py)

`layer_mode` "each" is one layer, named in `layers`.  `seed` is that of an untrained twin's weights; an untrained row
without a seed is the mean over seeds.  `p_holm` is p adjusted for all tests of the same measure, kind of `versus`,
target, subset, condition and layer mode, trained and untrained models apart.  A number that does not exist is an empty
cell, JSON null.
"""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from probing_vlp.similarity.distances.multiplicity import adjust


@dataclass(frozen=True)
class Row:
    """One number; see the file's head."""

    model: str = ""
    condition: str = ""
    layer_mode: str = ""
    layers: str = ""
    subset: str = "all"
    target: str = ""
    measure: str = "spearman"
    versus: str = ""
    rho: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    n_words: int = 0
    n_pairs: int = 0
    seed: int | None = None
    trained: bool = True
    note: str = ""


FIELDS = tuple(field.name for field in dataclasses.fields(Row))
NUMBERS = ("rho", "ci_low", "ci_high", "p", "p_holm")


class Rows(Sequence[Row]):
    """Rows that are found by what they say."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = tuple(rows)
        self._by_model: dict[str, list[Row]] = {}
        for row in self._rows:
            self._by_model.setdefault(row.model, []).append(row)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        return self._rows[place]

    def where(self, **wanted: object) -> list[Row]:
        """The rows whose fields are these."""
        among = self._by_model.get(str(wanted["model"]), []) if "model" in wanted else self._rows
        return [row for row in among if all(getattr(row, name) == value for name, value in wanted.items())]

    def one(self, **wanted: object) -> Row | None:
        """The first of them that has a number, or None."""
        return next((row for row in self.where(**wanted) if row.rho is not None), None)

    def differences(self, model: str, other: str, **place: object) -> list[Row]:
        """Rows of `model` less `other`, those of `other` less `model` with their signs turned."""
        found = self.where(model=model, versus=f"model:{other}", measure="difference", **place)
        return found or [
            dataclasses.replace(
                row, model=model, versus=f"model:{other}", rho=_less(row.rho), ci_low=_less(row.ci_high),
                ci_high=_less(row.ci_low),
            )
            for row in self.where(model=other, versus=f"model:{model}", measure="difference", **place)
        ]  # fmt: skip


def _less(value: float | None) -> float | None:
    return None if value is None else -value


def finite(value: float) -> float | None:
    """The number, None for NaN and the infinities."""
    return float(value) if math.isfinite(value) else None


def adjusted(rows: Sequence[Row]) -> list[Row]:
    """The rows with `p_holm`; a family is what the file's head says."""
    families: dict[tuple[str, ...], list[int]] = {}
    for place, row in enumerate(rows):
        if row.p is not None:
            kind = row.versus.partition(":")[0]
            family = (row.measure, kind, row.target, row.subset, row.layer_mode, row.condition, str(row.trained))
            families.setdefault(family, []).append(place)
    done = list(rows)
    for places in families.values():
        for place, p in zip(places, adjust(np.array([rows[i].p for i in places], float), "holm"), strict=True):
            done[place] = dataclasses.replace(rows[place], p_holm=finite(p))
    return done


def to_csv(rows: Iterable[Row]) -> bytes:
    """A line a row under the names of the fields."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(row) | {"trained": str(row.trained).lower()} for row in rows)
    return text.getvalue().encode()


def to_json(rows: Iterable[Row], about: dict[str, object]) -> bytes:
    """{"about": settings and sources, "rows": [...]}."""
    found = {"about": about, "rows": [dataclasses.asdict(row) for row in rows]}
    return (json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def with_interval(drawn: np.ndarray) -> dict[str, Any]:
    """`ci_low` and `ci_high` of draws (draws,)."""
    from probing_vlp.similarity.distances.resampling import interval

    low, high, _ = interval(drawn)
    return {"ci_low": finite(low), "ci_high": finite(high)}
