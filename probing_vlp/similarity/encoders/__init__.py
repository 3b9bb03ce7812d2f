"""Encoders of words in sentences: ENCODERS is the table of families; `load_encoder` makes one from one string.

    FOLDER or HUB/ID                  a model of transformers: BERT, CLAP, Llama, ...
    minilm                            a family of the table that needs nothing more
    transformers:FOLDER,tokenizer=T   a family, its checkpoint, options
    captioner:RUN, static:FILE        the same; for a path alone the family is seen from what lies there
    package.module:Class              your own, see `base.Encoder`

Adding a family: a file with a class that fits `base.Encoder`, a row here, a case in
tests/similarity/test_similarity_encoders.py.
"""

import difflib
import re
from pathlib import Path
from typing import Any

from probing_vlp.errors import UserError
from probing_vlp.lookup import lookup
from probing_vlp.similarity.encoders.base import Encoder, Tokens

ENCODERS = {
    "caption-pairs": "probing_vlp.similarity.encoders.caption_pairs:CaptionPairs",
    "captioner": "probing_vlp.similarity.encoders.captioner:CaptionerWords",
    "mini-clip": "probing_vlp.similarity.encoders.mini_clip:MiniClipText",
    "minilm": "probing_vlp.similarity.encoders.minilm:MiniLM",
    "static": "probing_vlp.similarity.encoders.static:StaticVectors",
    "transformers": "probing_vlp.similarity.encoders.transformer:TransformerText",
}
OPTION = re.compile(r",(\w+)=")


def load_encoder(spec: str, untrained_seed: int | None = None, device: str = "cpu", **options: Any) -> Encoder:
    """The encoder that a string names; with a seed its untrained twin: same architecture, weights drawn again.

    UserError for a name that there is not, a place that holds no encoder, an option that the family does not take,
    and a twin of what has none (static vectors).  Weights are read when they are needed first.
    """
    family, checkpoint, written = parse(spec)
    make = lookup(family, ENCODERS, "encoder")
    if untrained_seed is not None and not getattr(make, "has_twin", True):
        raise UserError(f"encoder '{spec}' has no untrained twin: it has no architecture to draw new weights for")
    try:
        encoder: Encoder = make(checkpoint, untrained_seed=untrained_seed, device=device, **written, **options)
    except TypeError as error:
        if "argument" not in str(error):
            raise
        raise UserError(f"encoder '{spec}': {str(error).rpartition('() ')[2]}") from None
    encoder.name = spec
    return encoder


def has_twin(spec: str) -> bool:
    """Whether there is an untrained twin: static vectors have none."""
    return bool(getattr(lookup(parse(spec)[0], ENCODERS, "encoder"), "has_twin", True))


def parse(spec: str) -> tuple[str, str, dict[str, str]]:
    """Family, checkpoint and options of "family:checkpoint,option=value"; UserError if it is nothing known."""
    head, *rest = OPTION.split(spec)
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    family, _, checkpoint = head.partition(":")
    if family in ENCODERS:
        return family, checkpoint, options
    if Path(head).exists():
        return _seen(Path(head)), head, options
    if ":" in head:
        return head, "", options
    if "/" not in head and difflib.get_close_matches(head, ENCODERS, n=1, cutoff=0.75):
        lookup(head, ENCODERS, "encoder")  # says what is near
    return "transformers", head, options


def _seen(path: Path) -> str:
    if path.is_dir():
        for name, family in (
            ("mini-clip.json", "mini-clip"),
            ("modules.json", "transformers"),
            ("config.json", "transformers"),
            ("checkpoints", "captioner"),
        ):
            if (path / name).exists():
                return family
        raise UserError(
            f"{path}: no encoder lies there; a folder holds config.json and weights, mini-clip.json, or the "
            "checkpoints of a captioner"
        )
    return "captioner" if path.suffix == ".safetensors" else "static"


__all__ = ["ENCODERS", "Encoder", "Tokens", "has_twin", "load_encoder", "parse"]
