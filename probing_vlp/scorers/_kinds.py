"""What the names in a file of weights tell: which of the four region models it is, and how many layers it has."""

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from probing_vlp.errors import UserError

SIGNS = {
    "UNITER": "uniter.img_embeddings.img_linear.weight",
    "ROSITA": "backbone.layers.0.mhatt.dense_q.weight",
    "ViLBERT": "bert.v_embeddings.image_embeddings.weight",
    "LXMERT": "bert.encoder.x_layers.0.visual_attention.att.query.weight",
}
"""A weight of each model that no other has; what stands before its first point differs between files."""
PUBLISHED = {768: 12, 1024: 24}
"""Layers of BERT's published sizes, by hidden units."""


def check_model(found: Any, path: str | Path, kind: str) -> None:
    """UserError for a checkpoint that bears the sign of another of the four models than `kind`."""
    keys = list(_names(found))
    borne = {model: key for model, sign in SIGNS.items() for key in keys if key.endswith(sign.partition(".")[2])}
    if borne and kind not in borne:
        model, key = next(iter(borne.items()))
        raise UserError(
            f"{path}: does not fit {kind}, but looks like a checkpoint of {model}'s, missing: {SIGNS[kind]}; "
            f"unexpected: {key}; give it as the scorer {model.lower()}"
        )


def _names(found: Any) -> Iterable[str]:
    """Names at the top of a checkpoint and, as PART.name, one level below; DataParallel's `module.` is left out."""
    for key, value in found.items() if isinstance(found, Mapping) else ():
        yield str(key).removeprefix("module.")
        yield from (f"{key}.{inner}" for inner in value) if isinstance(value, Mapping) else ()


def count_layers(state: Mapping[str, Tensor], stem: str, path: str | Path, option: str, published: int = 0) -> int:
    """How many layers STEM0, STEM1, ... a file has, where no config says it.

    UserError for none, for a gap, and for another number than `published` (0: any); a config says otherwise with
    `option`.
    """
    if not any(key.startswith(stem.partition(".")[0] + ".") for key in state):
        return 1  # of no weight that the model has: loading lists them all
    numbers = {key.removeprefix(stem).partition(".")[0] for key in state if key.startswith(stem)}
    count = next(n for n in itertools.count() if str(n) not in numbers)
    if not count or count < max(sum(map(str.isdecimal, numbers)), published):
        raise UserError(
            f"{path}: has no layer {stem}{count}{_of(published)}; is the file whole? If the model is that small, say "
            f"so with {option} in its config (option config)"
        )
    if published and count > published:
        raise UserError(
            f"{path}: has a layer {stem}{published}{_of(published)}; if it is right, say so with {option} in its "
            "config (option config)"
        )
    return count


def _of(published: int) -> str:
    return f", of {published} in the published model of this width" if published else ""
