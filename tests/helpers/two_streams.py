"""The models that the golden scores of ViLBERT and LXMERT were made with, saved as their authors save them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from region_toys import save_pieces, toy_weights
from torch import Tensor, nn

from probing_vlp.records import Regions

State = dict[str, Tensor]
Change = Callable[[pytest.MonkeyPatch, Any], None]
"""A mistake that is put into a scorer."""
TOLERANCE = {"float64": 1e-6, "float32": 2e-5}
VILBERT, LXMERT = (
    json.loads((Path(__file__).parents[1] / "golden" / f"{name}.json").read_text()) for name in ("vilbert", "lxmert")
)


def golden_state(shapes: dict[str, list[int]]) -> State:
    """The state dict of these shapes; words and their decoder share weights, as in the real files."""
    state = toy_weights({key: torch.empty(shape, device="meta") for key, shape in shapes.items()})
    return state | {"cls.predictions.decoder.weight": state["bert.embeddings.word_embeddings.weight"]}


def save_model(folder: Path, name: str, state: State, config: dict[str, Any]) -> dict[str, Path]:
    """Files of a model, as options of load_scorer."""
    paths = {"checkpoint": folder / name, "config": folder / "config.json", "vocab": save_pieces(folder)}
    torch.save(state, paths["checkpoint"])
    paths["config"].write_text(json.dumps(config))
    return paths


def save_vilbert(folder: Path) -> dict[str, Path]:
    """A pre-trained ViLBERT."""
    golden = VILBERT["pretrained"]
    return save_model(folder, "pretrained_model.bin", golden_state(golden["shapes"]), golden["config"])


def save_lxmert(folder: Path) -> dict[str, Path]:
    """An LXMERT as DataParallel saves it."""
    state = {f"module.{key}": value for key, value in golden_state(LXMERT["shapes"]).items()}
    return save_model(folder, "Epoch20_LXRT.pth", state, LXMERT["config"])


def without(state: State, *beginnings: str) -> State:
    """Without the weights whose names begin so."""
    return {key: value for key, value in state.items() if not key.startswith(beginnings)}


def wider_epsilon(patch: pytest.MonkeyPatch, scorer: Any) -> None:
    for module in scorer.network.modules():
        if isinstance(module, nn.LayerNorm):
            patch.setattr(module, "eps", 1e-5)


def change_inputs(change: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> Change:
    """Of features and positions, as the network gets them."""

    def apply(patch: pytest.MonkeyPatch, scorer: Any) -> None:
        inputs = scorer.inputs
        patch.setattr(scorer, "inputs", lambda image: change(*inputs(image)))

    return apply


def change_regions(change: Callable[[Regions], Regions]) -> Change:
    """Of an image, before the model looks at it."""

    def apply(patch: pytest.MonkeyPatch, scorer: Any) -> None:
        inputs = scorer.inputs
        patch.setattr(scorer, "inputs", lambda image: inputs(change(image)))

    return apply
