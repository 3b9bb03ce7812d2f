"""What a finished run left behind, for its report: items, coherence, options, what the language model was told.

RUN/items.csv.gz                answers (items.py); the only file that must be there
RUN/coherence.csv               visual coherence (coherence.py)
RUN/config.yaml                 the options of `probe.py taxonomy run`
RUN/knowledge.json              what the LM was kept from reading; else that in the LM's own folder
RUN/lm-only.csv.gz              answers of `probe.py taxonomy lm-only`; else those in the LM's own folder
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pandas.api.types import union_categoricals

from probing_vlp.errors import UserError
from probing_vlp.files import read_bytes
from probing_vlp.taxonomy.answers.items import read_items
from probing_vlp.taxonomy.answers.outcomes import check_columns, is_random
from probing_vlp.taxonomy.report.controls import Knowledge, read_knowledge

COHERENCE = ("label", "map", "coherence", "centred")


@dataclass(frozen=True)
class RunFiles:
    """A run as it lies on the disk."""

    folder: Path
    items: pd.DataFrame
    """Answers of the VLMs, and LM-only ones under the name of the language model with knowledge."""
    options: Mapping[str, Any]
    """Of the run; empty if it was not ours."""
    knowledge: Knowledge
    coherence: pd.DataFrame
    """Columns label, map, coherence, centred (and n, encoder, seed); no rows if it was not measured."""

    @property
    def small(self) -> bool:
        """Whether the language model is one of `train.py lm`: a toy beside those of the paper."""
        return bool(self.knowledge.unknown or self.knowledge.pairs)


def read_run(folder: Path, lm_only: Path | None = None) -> RunFiles:
    """UserError if there is no results file, or if one of the files is damaged."""
    paths = [path for name in ("items.csv.gz", "items.csv") if (path := folder / name).exists()]
    items = read_items(paths[0] if paths else folder / "items.csv.gz")
    options = _options(folder / "config.yaml")
    lm = Path(str(options.get("lm") or folder))
    told = _first(folder / "knowledge.json", lm / "knowledge.json")
    texts = lm_only or _first(folder / "lm-only.csv.gz", lm / "lm-only.csv.gz")
    if texts:
        items = _joined(items, read_items(texts), texts)
    coherence = _coherence(folder / "coherence.csv")
    return RunFiles(folder, items, options, read_knowledge(told) if told else Knowledge(), coherence)


def _first(*paths: Path) -> Path | None:
    return next((path for path in paths if path.exists()), None)


def _options(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    try:
        options = yaml.safe_load(read_bytes(path, "options of a run", "run it again"))
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML ({error}); remove it or run again") from None
    if not isinstance(options, dict):
        raise UserError(f"{path}: not the options of a run; remove it or run again")
    return options


def _coherence(path: Path) -> pd.DataFrame:
    if not path.exists():
        return pd.DataFrame(columns=list(COHERENCE))
    try:
        table = pd.read_csv(path, dtype={"label": str, "map": str}, keep_default_na=False, na_values=[""])
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not the table of a run ({error}); run it again") from None
    check_columns(table, COHERENCE, str(path))
    return table


def _joined(items: pd.DataFrame, texts: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The answers by text alone behind the others, under the name of the language model that they are of."""
    check_columns(items, ("lm", "test"), "the results of the run")
    check_columns(texts, ("test", "leaf"), str(path))
    known = sorted(name for name in set(items["lm"].astype(str)) if name and not is_random(name))
    texts = texts[texts["test"] == "lm-only"]
    if len(known) == 1:
        texts = texts.assign(lm=pd.Categorical([known[0]] * len(texts)))
    whole = {}
    for name in items.columns:
        own = texts[name] if name in texts else pd.Series([""] * len(texts), dtype="category")
        if isinstance(items[name].dtype, pd.CategoricalDtype):
            whole[name] = union_categoricals([items[name], own.astype(str).astype("category")], sort_categories=True)
        else:
            whole[name] = pd.concat([items[name], pd.to_numeric(own)], ignore_index=True)
    return pd.DataFrame(whole)
