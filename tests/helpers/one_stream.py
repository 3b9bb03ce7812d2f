"""Small UNITER and ROSITA, saved in their authors' formats, with the weights of their golden files."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from region_toys import save_pieces, toy_weights
from torch import Tensor, nn
from torch.nn import functional

from probing_vlp.scorers._bert import Intermediate

FOLDER = Path(__file__).parents[1] / "golden"
UNITER = json.loads((FOLDER / "uniter.json").read_text())
ROSITA = json.loads((FOLDER / "rosita.json").read_text())["models"]
Parts = dict[str, Any]


def uniter_weights(model: str, kind: str) -> dict[str, Tensor]:
    """The state dict of the authors' model of pre-training or of retrieval."""
    shapes = UNITER["models"][model]["shapes"][kind]
    return toy_weights({name: torch.empty(shape) for name, shape in shapes.items()})


def save_uniter(folder: Path, model: str = "small", state: dict[str, Tensor] | None = None) -> dict[str, Path]:
    """Files of a model, as options of load_scorer."""
    paths = {"checkpoint": folder / "uniter.pt", "config": folder / "uniter.json", "vocab": save_pieces(folder)}
    torch.save(uniter_weights(model, "pretrained") if state is None else state, paths["checkpoint"])
    paths["config"].write_text(json.dumps(UNITER["models"][model]["config"]))
    return paths


def rosita_parts(model: str, kind: str) -> Parts:
    """What the authors' program of retrieval or of pre-training saves: state dicts among other things."""
    shapes = {
        f"{part}.{name}": torch.empty(shape)
        for part, names in ROSITA[model]["shapes"][kind].items()
        for name, shape in names.items()
    }
    found: Parts = {"epoch": 9, "net_optim": torch.optim.Adam([nn.Parameter(torch.zeros(2))]).state_dict()}
    for name, weight in toy_weights(shapes).items():
        part, _, key = name.partition(".")
        found.setdefault(part, {})[key] = weight
    return found


def save_rosita(folder: Path, model: str = "small", found: Parts | None = None) -> dict[str, Path]:
    """Files of a model, as options of load_scorer."""
    paths = {"checkpoint": folder / "rosita.pkl", "config": folder / "rosita.yaml", "vocab": save_pieces(folder)}
    torch.save(rosita_parts(model, "retrieval") if found is None else found, paths["checkpoint"])
    paths["config"].write_text(yaml.safe_dump(ROSITA[model]["config"]))
    return paths


def tanh_gelu(scorer: Any, patch: pytest.MonkeyPatch) -> None:
    """A mistake: GELU's approximation."""
    for module in scorer.network.modules():
        if isinstance(module, Intermediate):
            module.act = partial(functional.gelu, approximate="tanh")


def epsilon(value: float, scorer: Any, patch: pytest.MonkeyPatch) -> None:
    """A mistake: another epsilon of every LayerNorm."""
    for module in scorer.network.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = value


def swapped_size(scorer: Any, patch: pytest.MonkeyPatch) -> None:
    """A mistake: an image's width and height exchanged."""
    right = scorer.inputs
    patch.setattr(scorer, "inputs", lambda image: right(replace(image, width=image.height, height=image.width)))
