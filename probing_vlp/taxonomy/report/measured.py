"""The items of a run as its verdicts and figures look at them: macro-F1 and chance lines, concept by concept.

Values are means over the runs (seeds) of a setting, concept by concept; differences are paired by concept, and their
intervals are bootstraps over concepts.  Concepts with a single gold label in a run say nothing there and are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from probing_vlp.errors import UserError
from probing_vlp.stats import Estimate
from probing_vlp.taxonomy.answers import outcomes
from probing_vlp.taxonomy.answers.intervals import clustered_mean, generator
from probing_vlp.taxonomy.answers.metrics import positive_labels

NEEDED = (*outcomes.DESIGN, "image", "leaf", "seed")
TESTS = ("leaves", "seen", "held-out")


@dataclass(frozen=True)
class Setting:
    """What was measured apart; `condition` None stands for all of them."""

    encoder: str
    lm: str
    map: str = "original"
    condition: str | None = "full"
    test: str = "held-out"


@dataclass(frozen=True)
class Measured:
    """A results file, counted once."""

    frame: pd.DataFrame
    """The items."""
    units: pd.DataFrame
    """A row a concept in a run, `outcomes.concept_table` with the column `removed`."""
    positive: tuple[str, ...]
    """Labels that mean that the concept is there."""
    seed: int = 1
    """Of the bootstrap."""

    @cached_property
    def hypernyms(self) -> tuple[str, ...]:
        """Every hypernym that was asked about, sorted."""
        return tuple(sorted(set(self.units.loc[self.units["test"].isin(("seen", "held-out")), "concept"])))

    @cached_property
    def encoders(self) -> tuple[str, ...]:
        """Image encoders, sorted."""
        return tuple(sorted(set(self._photographs["encoder"])))

    @cached_property
    def lms(self) -> tuple[str, ...]:
        """Language models that saw images: those with knowledge first, then random ones."""
        return tuple(sorted(set(self._photographs["lm"]), key=lambda name: (outcomes.is_random(name), name)))

    @cached_property
    def maps(self) -> tuple[str, ...]:
        """Label maps, the original one first."""
        order = ("original", "within", "across")
        names = set(self._photographs["map"])
        return (*(name for name in order if name in names), *sorted(names - set(order)))

    @cached_property
    def conditions(self) -> Mapping[str, tuple[str, float]]:
        """Condition -> (kind of removal, per cent ablated); those of other names are left out.  Full first."""
        found = {
            name: place
            for name in sorted(set(self._photographs["condition"]))
            if (place := outcomes.percent_ablated(name, len(self.hypernyms)))
        }
        return dict(sorted(found.items(), key=lambda item: (item[1][0] != "full", item[1])))

    @property
    def _photographs(self) -> pd.DataFrame:
        return self.units[self.units["test"].isin(TESTS)]

    def chosen(self, setting: Setting) -> pd.DataFrame:
        """The units of a setting; of a systematic condition's held-out test only hypernyms that were removed."""
        units = self.units
        keep = ~units["single_class"]
        for name in outcomes.DESIGN:
            if (value := getattr(setting, name)) is not None:
                keep &= units[name] == value
        if setting.test == "held-out" and (setting.condition or "").startswith("systematic"):
            keep &= units["removed"]
        return units[keep]

    def values(self, setting: Setting) -> pd.DataFrame:
        """Rows by concept: macro_f1, chance (majority), blind, line (the higher of the two); means over runs."""
        chosen = self.chosen(setting)
        lines = chosen[["chance_macro_f1", "blind_macro_f1"]]
        table = pd.DataFrame(
            {
                "concept": chosen["concept"],
                "macro_f1": chosen["macro_f1"],
                "chance": lines["chance_macro_f1"],
                "blind": lines["blind_macro_f1"],
                "line": lines.max(axis=1),
            }
        )
        return table.groupby("concept", sort=True).mean()

    def by_text(self, lm: str) -> Setting | None:
        """Where the LM-only answers of a language model are; None without any."""
        texts = self.units[(self.units["test"] == "lm-only") & (self.units["lm"] == lm)]
        return Setting(texts["encoder"].iloc[0], lm, texts["map"].iloc[0], None, "lm-only") if len(texts) else None

    def mean(self, setting: Setting, column: str = "macro_f1", but: frozenset[str] = frozenset()) -> Estimate:
        """Mean over concepts (`but` some) of a column of `values`; n is the number of concepts."""
        table = self.values(setting).drop(list(but), errors="ignore")
        return self._estimate(table[column], setting, column)

    def above_line(self, setting: Setting, but: frozenset[str] = frozenset()) -> Estimate:
        """Macro-F1 less the higher of the two chance lines, concept by concept."""
        table = self.values(setting).drop(list(but), errors="ignore")
        return self._estimate(table["macro_f1"] - table["line"], setting, "line")

    def difference(self, setting: Setting, other: Setting) -> Estimate:
        """Macro-F1 of a setting less that of another, over the concepts of both."""
        gap = self.values(setting)["macro_f1"] - self.values(other)["macro_f1"]
        return self._estimate(gap.dropna(), setting, other)

    def _estimate(self, values: pd.Series, *names: object) -> Estimate:
        random = generator(self.seed, *names)
        return clustered_mean(values.to_numpy(float), values.index.to_numpy(str), random)


def measure(frame: pd.DataFrame, where: str, seed: int = 1) -> Measured:
    """Count a frame of items; UserError if a column of the design is missing or no label is known to mean yes."""
    outcomes.check_columns(frame, NEEDED, where)
    counts = outcomes.count_units(frame, [*outcomes.DESIGN, "seed"])
    positive = positive_labels(counts.labels)
    if not positive:
        raise UserError(f"{where}: no label of {', '.join(counts.labels)} is known to mean yes; write Yes and No")
    units = outcomes.concept_table(counts, positive)
    units["removed"] = outcomes.never_trained(counts, positive)
    return Measured(frame, units, tuple(positive), seed)


def items_of(measured: Measured, setting: Setting) -> pd.DataFrame:
    """The items of a setting."""
    frame = measured.frame
    keep = pd.Series(True, index=frame.index)
    for name in outcomes.DESIGN:
        if (value := getattr(setting, name)) is not None:
            keep &= frame[name] == value
    return frame[keep]
