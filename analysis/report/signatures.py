"""Run signatures: what must be the same before two dumps may be compared, from the dumps' headers.

A header of another tool may lack any of it; COCO results have no header at all.  Then the cell is a dash.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from probing_vlp.dump import CaptionDump
from probing_vlp.pages.tables import Cell, Line, Table

WEIGHTS = "Files of scorers, SHA-256"
FIELDS = {
    "Kind of training": ("kind",),
    "Reward weights": ("signature", "reward"),
    "Baseline": ("signature", "baseline"),
    "End of sentence": ("signature", "end"),
    "Samples an image": ("signature", "samples"),
    "Temperature of samples": ("signature", "temperature"),
    "Loss": ("signature", "loss"),
    "Dropout while sampling": ("signature", "dropout in sampling"),
    "Longest caption": ("signature", "longest caption"),
    "Learning rate": ("config", "learning_rate"),
    "Decoding": ("decoding",),
    "Split": ("split",),
    "Data": ("data",),
    "Image features": ("features",),
    "Seed": ("seed",),
    "Step": ("step",),
    "Checkpoint, SHA-256": ("checkpoint_sha256",),
    "Started from": ("config", "init"),
    WEIGHTS: ("weights",),
    "Version of probing_vlp": ("version_of_project",),
}
DECODING = {"greedy": ("max_length",), "beam": ("beam", "max_length"), "sample": ("temperature", "top_k", "top_p")}


def signature_table(dumps: Sequence[CaptionDump]) -> Table:
    """One line a field, dumps across; a field that no header has is left out."""
    lines = []
    for title, path in FIELDS.items():
        values = [_at(dump.header, path) for dump in dumps]
        if any(value is not None for value in values):
            lines.append(Line(title, tuple(Cell(_said(title, value)) for value in values)))
    counts = tuple(Cell(f"{len(dump.records):,}") for dump in dumps)
    names = tuple(dump.name for dump in dumps)
    caption = "What made the captions"
    return Table("signatures", caption, names, (Line("Captions", counts), *lines), wordy=True)


def pairs(header: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """A header as dotted names and values."""
    for key, value in header.items():
        if isinstance(value, Mapping) and value:
            yield from pairs(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _at(header: Mapping[str, Any], path: Sequence[str]) -> Any:
    value: Any = header
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _said(title: str, value: Any) -> str:
    if value is None or value == {}:
        return "–"
    if title == "Decoding" and isinstance(value, Mapping):
        method = str(value.get("method", ""))
        told = [f"{key.replace('_', ' ')} {value[key]}" for key in DECODING.get(method, ()) if key in value]
        return ", ".join([method, *told])
    if title == WEIGHTS and isinstance(value, Mapping):
        return ", ".join(f"{key.replace('.', ' ')} {digest[:12]}" for key, digest in pairs(value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {weight}" for key, weight in value.items())
    if title.startswith("Checkpoint"):
        return str(value)[:12]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
