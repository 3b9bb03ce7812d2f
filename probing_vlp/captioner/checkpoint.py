"""Captioner checkpoints: weights with the vocabulary, the sizes and the features that they belong to."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from probing_vlp.captioner.fc import FCCaptioner, FCConfig
from probing_vlp.checkpoints import Checkpoint
from probing_vlp.data.features import FeatureStore
from probing_vlp.data.vocabulary import Vocabulary
from probing_vlp.errors import UserError


def captioner_state(model: FCCaptioner, vocabulary: Vocabulary, store: FeatureStore) -> dict[str, Any]:
    """What has to be saved beside the weights to use them again."""
    return {
        "captioner": asdict(model.config),
        "feature_dim": model.feature_dim,
        "backbone": store.backbone,
        "vocabulary": list(vocabulary.words),
        "vocabulary_fingerprint": vocabulary.fingerprint,
    }


def find_checkpoint(run: str | Path) -> Path:
    """A checkpoint file, or the best one of a run folder."""
    path = Path(run)
    if path.is_file():
        return path
    best, last = (path / "checkpoints" / f"{name}.safetensors" for name in ("best", "last"))
    for choice in (best, last):
        if choice.exists():
            return choice
    raise UserError(f"{path}: holds no checkpoint; train one first (python train.py ce --run {path})")


def load_captioner(path: Path, store: FeatureStore, device: torch.device) -> tuple[FCCaptioner, Vocabulary, Checkpoint]:
    """A captioner ready to decode.  UserError if the features are not those that it was trained on."""
    checkpoint = Checkpoint.load(path)
    state = checkpoint.state
    if "captioner" not in state:
        raise UserError(f"{path}: is not the checkpoint of a captioner")
    check_features(path, state, store)
    vocabulary = Vocabulary(tuple(state["vocabulary"]))
    model = FCCaptioner(state["feature_dim"], len(vocabulary), FCConfig(**state["captioner"]))
    model.load_state_dict(checkpoint.group("model"))
    return model.to(device).eval(), vocabulary, checkpoint


def check_features(path: Path, state: dict[str, Any], store: FeatureStore) -> None:
    """UserError if a checkpoint was trained on features of another width or backbone."""
    if (state["feature_dim"], state["backbone"]) != (store.dim, store.backbone):
        raise UserError(
            f"{path}: was trained on features {state['backbone']} of width {state['feature_dim']}; those given are "
            f"{store.backbone} of width {store.dim}; give the folder of its own with --data.features"
        )


def check_vocabulary(path: Path, state: dict[str, Any], vocabulary: Vocabulary) -> None:
    """UserError if a checkpoint belongs to another vocabulary."""
    if state["vocabulary_fingerprint"] != vocabulary.fingerprint:
        raise UserError(
            f"{path}: has a vocabulary of {len(state['vocabulary'])} words ({state['vocabulary_fingerprint']}); that "
            f"of the data given has {len(vocabulary.words)} ({vocabulary.fingerprint}); give the data and --min_count "
            "that it was trained with"
        )
