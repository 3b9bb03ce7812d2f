"""A cell of the grid: one projector trained under a condition, a label map, a language model and a seed, then tested.

    OUT/cells/LM.CONDITION.MAP.SEED/
      items.csv.gz            an answered question a line (`items`)
      projector.safetensors   what was learned, with the constants of the features
      loss.csv                step, loss (nats a token)
      manifest.json           what was removed, fingerprints of the frozen parts, counts; written last

A cell with a manifest is finished.  Everything in it follows from the options and its seed.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from probing_vlp.checkpoints import Checkpoint
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write
from probing_vlp.taxonomy.answers.items import Item, write_items
from probing_vlp.taxonomy.asking.conditions import Condition, build_condition, check_manifest
from probing_vlp.taxonomy.asking.images import ImageIndex, index_images
from probing_vlp.taxonomy.asking.taxonomies import load_taxonomy
from probing_vlp.taxonomy.model.answering import Asked, answer, ask, predictions
from probing_vlp.taxonomy.model.features import Table
from probing_vlp.taxonomy.model.fitting import fit
from probing_vlp.taxonomy.model.frozen import fingerprint
from probing_vlp.taxonomy.model.language_models import LanguageModel, load_language_model
from probing_vlp.taxonomy.model.options import RunConfig
from probing_vlp.taxonomy.model.projectors import Projector, make_projector
from probing_vlp.taxonomy.model.vlm import VLM
from probing_vlp.taxonomy.prompts import ANSWERS
from probing_vlp.taxonomy.records import Question, Taxonomy

Note = Callable[[int, int, float], None]


@dataclass(frozen=True, order=True)
class Cell:
    """A run of the grid."""

    lm: str
    condition: str
    map: str
    seed: int

    @property
    def run(self) -> str:
        """Its name in results files: LM/condition/map/seed."""
        return f"{self.lm}/{self.condition}/{self.map}/{self.seed}"

    def folder(self, out: Path) -> Path:
        """Where it is kept."""
        return out / "cells" / self.run.replace("/", ".")


@dataclass
class World:
    """What all cells share: taxonomy, images, features, and language models as they are asked for."""

    config: RunConfig
    taxonomy: Taxonomy
    index: ImageIndex
    accelerator: Any
    table: Table | None = None
    _kept: dict[tuple[str, int], LanguageModel] = field(default_factory=dict)

    @property
    def precision(self) -> str:
        """Type of the stored weights of the language model."""
        return "bfloat16" if self.accelerator.mixed_precision == "bf16" else "float32"

    @property
    def features(self) -> Table:
        """Features of the images; ValueError before they are made."""
        if self.table is None:
            raise ValueError("features first: `encode_images`")
        return self.table

    def lm(self, weights: str, seed: int) -> LanguageModel:
        """The language model of a cell; the last one is kept, since cells of one model follow each other."""
        key = (weights, seed if weights == "random" else 0)
        if key not in self._kept:
            self._kept = {}  # room for the next
            self._kept = {key: load_language_model(self.config.lm, *key, self.accelerator.device, self.precision)}
            folder = Path(self.config.out, "random-lms", str(seed))
            if weights == "random" and self.config.keep_random and self.accelerator.is_main_process:
                self._kept[key].network.save_pretrained(folder)
                self._kept[key].tokenizer.save_pretrained(folder)
        return self._kept[key]


def open_world(config: RunConfig, accelerator: Any, table: Table | None = None) -> World:
    """Read taxonomy and images; UserError for what is wrong with them."""
    taxonomy = load_taxonomy(config.taxonomy)
    index = index_images(
        config.images,
        taxonomy,
        config.mentions,
        config.split_seed,
        config.least,
        Path(config.photographs) if config.photographs else None,
        Path(config.folders) if config.folders else None,
    )
    return World(config, index.taxonomy, index, accelerator, table)


def rule_of(config: RunConfig, condition: str) -> str:
    """The rule by which a condition takes away."""
    return {"random": config.removal, "systematic": config.systematic}.get(Condition.parse(condition).kind, "")


def is_finished(world: World, cell: Cell) -> bool:
    """Whether its files are whole; UserError if they are of another taxonomy, language model or encoder."""
    out = cell.folder(Path(world.config.out))
    path = out / "manifest.json"
    if not path.exists() or not (out / "items.csv.gz").exists():
        return False
    try:
        manifest = json.loads(path.read_bytes())
        check_manifest(manifest["condition"], world.taxonomy, str(path))
        told = {
            "language model": manifest["language_model"]["sha256"],
            "encoder": manifest["encoder"]["features"],
            "division of images": manifest["images"],
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path}: not the manifest of a cell; remove its folder and run again") from None
    now = {
        "language model": world.lm(cell.lm, cell.seed).described["sha256"],
        "encoder": world.features.key,
        "division of images": divided(world.index),
    }
    for what, digest in told.items():
        if digest != now[what]:
            raise UserError(f"{path}: made with another {what}; remove the cell's folder, or give another --out")
    return True


def divided(index: ImageIndex) -> str:
    """A digest of which images are for training, validation and test."""
    parts = {part: sorted(shown.image for shown in images) for part, images in index.parts.items()}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def run_cell(world: World, cell: Cell, note: Note = lambda step, total, loss: None) -> dict[str, Any]:
    """Train and test one cell and write its folder; its manifest."""
    config, out = world.config, cell.folder(Path(world.config.out))
    rule = rule_of(config, cell.condition)
    trial = build_condition(
        world.index, world.taxonomy, cell.condition, cell.map, cell.seed, config.negatives, rule, config.style
    )
    lm = world.lm(cell.lm, cell.seed)
    train = ask(trial.train, lm)
    projector = _projector(world, world.features, cell, lm, train)
    vlm = VLM(lm, projector, config.insert_after, config.share_prefix)
    vlm.check(train.prompts, world.features.shape[0])
    origin = f"{lm.described['sha256']} {world.features.key} {divided(world.index)}"
    saved = out / "state.safetensors"
    losses = fit(vlm, world.features, train, config.fit, cell.seed, world.accelerator, saved, note, origin)
    vlm.projector.eval()
    items: list[Item] = []
    asked = {}
    for test, questions in trial.tests.items():
        chosen = sampled(questions, config.most, cell.seed, test)
        asked[test] = {"asked": len(chosen), "there": len(questions)}
        items += _items(world, cell, test, chosen, ask(chosen, lm), vlm)
    after = fingerprint(lm.network)
    if after != lm.described["sha256"]:
        raise RuntimeError(f"{cell.run}: the weights of the frozen language model changed in training")
    manifest = {
        "run": cell.run,
        "condition": dict(trial.manifest),
        "language_model": {**lm.described, "sha256_after": after},
        "encoder": {
            "name": world.features.encoder,
            "features": world.features.key,
            "tokens": list(world.features.shape),
        },
        "images": divided(world.index),
        "train": len(train),
        "tests": asked,
        "steps": len(losses),
        "loss": {"first": losses[0], "last_tenth": float(np.mean(losses[-max(1, len(losses) // 10) :]))},
    }
    if world.accelerator.is_main_process:
        _write(out, items, projector, losses, manifest)
    return manifest


def _projector(world: World, table: Table, cell: Cell, lm: LanguageModel, train: Asked) -> Projector:
    config, width = world.config, table.shape[1]
    mean = deviation = None
    if config.standardise:
        mean, deviation = map(torch.from_numpy, table.moments(sorted(set(train.images))))
    seed = width if config.share_projector else cell.seed
    encoders = config.encoder.name.count("+") + 1
    return make_projector(config.projector, width, lm.width, seed, encoders, mean, deviation)


def sampled(questions: Sequence[Question], most: int, seed: int, test: str) -> list[Question]:
    """At most so many of the questions, drawn by the seed, in their order; 0: all."""
    if most == 0 or len(questions) <= most:
        return list(questions)
    drawn = np.random.default_rng([seed, zlib.crc32(test.encode())]).choice(len(questions), most, replace=False)
    return [questions[row] for row in sorted(drawn)]


def _items(world: World, cell: Cell, test: str, questions: Sequence[Question], asked: Asked, vlm: VLM) -> list[Item]:
    found = answer(vlm, world.features, asked, world.config.answer_batch, world.accelerator)
    told = predictions(found)
    return [
        Item(
            cell.run,
            cell.condition,
            question.image,
            question.leaf,
            question.concept,
            ANSWERS[0 if question.gold else 1],
            prediction,
            float(yes),
            float(no),
            test,
            cell.map,
            cell.lm,
            cell.seed,
            world.features.encoder,
        )
        for question, prediction, (yes, no) in zip(questions, told, found, strict=True)
    ]


def _write(
    out: Path, items: Sequence[Item], projector: Projector, losses: Sequence[float], manifest: dict[str, Any]
) -> None:
    items_path = out / "items.csv.gz"
    write_items(items_path, items)
    Checkpoint(Checkpoint.flatten(projector=projector.state_dict()), {"run": manifest["run"]}).save(
        out / "projector.safetensors"
    )
    lines = "".join(f"{step},{loss:.6f}\n" for step, loss in enumerate(losses, 1))
    atomic_write(out / "loss.csv", f"step,loss\n{lines}".encode())
    (out / "state.safetensors").unlink(missing_ok=True)
    manifest["items"] = {"n": len(items), "sha256": hashlib.sha256(items_path.read_bytes()).hexdigest()}
    atomic_write(out / "manifest.json", (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode())
