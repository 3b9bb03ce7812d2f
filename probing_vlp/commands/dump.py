"""`probe.py dump`: captions of a split by a trained captioner, with scores beside them if asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.progress import track

from probing_vlp import __version__
from probing_vlp.captioner.checkpoint import find_checkpoint, load_captioner
from probing_vlp.captioner.decode import decode
from probing_vlp.captioner.fc import FCCaptioner
from probing_vlp.captioner.stepper import DecodeConfig, make_stepper
from probing_vlp.checkpoints import Checkpoint
from probing_vlp.commands.partial import CHUNK, Partial, agrees, check_scored_place
from probing_vlp.commands.scoring import Scoring, known_options, weights_of
from probing_vlp.data.visuals import DataConfig, VisualSource, open_visuals
from probing_vlp.data.vocabulary import END, Vocabulary
from probing_vlp.dump import read_dump
from probing_vlp.errors import UserError
from probing_vlp.files import sha256_file
from probing_vlp.records import CaptionRecord, Image
from probing_vlp.training.rewards import load_scorers, mini_scorers


@dataclass
class DumpConfig:
    """Captions of a split by a trained captioner."""

    run: str = "runs/ce"
    """Run folder (its best checkpoint) or checkpoint file."""
    split: str = "test"
    """Split to describe."""
    out: str = ""
    """File to write, gzipped if it ends in .gz, COCO results if it ends in .json; default: RUN/dumps/SPLIT.jsonl."""
    name: str = ""
    """Label of the dump in reports; default: the run's name."""
    resume: bool = False
    """Go on with a dump that was interrupted; one that is whole, of the same captioner, stays with all its scores if
    none are asked for."""
    data: DataConfig = field(default_factory=DataConfig)
    """The data that the captioner was trained on, unless any of these is given."""
    decoding: DecodeConfig = field(default_factory=DecodeConfig)
    scorers: list[str] = field(default_factory=list)
    """Scorers whose raw scores are written beside the captions."""
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Options of the scorers by name."""
    seed: int = 1
    """Of sampling."""


class Task(NamedTuple):
    """A captioner, what it is to describe, and what is said of it at the head of the dump."""

    model: FCCaptioner
    vocabulary: Vocabulary
    source: VisualSource
    images: Sequence[Image]
    device: torch.device
    out: Path
    told: Mapping[str, Any]


def dump(config: DumpConfig) -> None:
    """Decode, score, write."""
    task = prepare(config)
    if config.resume and is_there(task.out, task.told, config):
        print(f"{len(task.images)} captions are there already: {task.out}")
        return
    scorers = load_scorers(config.scorers, config.options, task.source.trust_pickle)
    scoring = Scoring(scorers, config.options, task.source, task.images)
    header = {
        **task.told,
        "scorers": list(config.scorers),
        "options": config.options,
        "weights": weights_of(config.options),
        "mini_scorers": sorted({*task.told["mini_scorers"], *mini_scorers(scorers)}),
    }
    partial = Partial(task.out, header, config.resume)
    describe(config, task, scoring, partial)
    partial.finish()
    print(f"{len(task.images)} captions: {task.out}")


def prepare(config: DumpConfig) -> Task:
    """What can go wrong by a user's mistake, before any scorer is loaded."""
    path = find_checkpoint(config.run)
    data = config.data if config.data != DataConfig() else trained_on(path)
    source = open_visuals(data)
    assert source.store is not None
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, vocabulary, checkpoint = load_captioner(path, source.store, device)
    folder = Path(config.run) if Path(config.run).is_dir() else path.parent
    out = Path(config.out) if config.out else folder / "dumps" / f"{config.split}.jsonl"
    if config.scorers:
        check_scored_place(out)
    images = source.data.split(config.split)
    source.store.check(image.image_id for image in images)
    state = checkpoint.state
    told = {
        "name": config.name or folder.name,
        "split": config.split,
        "seed": config.seed,
        "version_of_project": __version__,
        "run": str(folder),
        "checkpoint": path.name,
        "checkpoint_sha256": sha256_file(path),
        "step": state["step"],
        "kind": state.get("kind"),
        "signature": state.get("signature", {}),
        "config": state.get("config", {}),
        "decoding": vars(config.decoding),
        "data": data.source,
        "features": data.features,
        "mini_scorers": sorted(state.get("mini_scorers", ())),
    }
    return Task(model, vocabulary, source, images, device, out, told)


def describe(config: DumpConfig, task: Task, scoring: Scoring, partial: Partial) -> None:
    """Decode what is not there yet, a chunk of images at a time."""
    images, store = task.images, task.source.store
    assert store is not None
    numbers = torch.rand(len(images), config.decoding.max_length, generator=torch.Generator().manual_seed(config.seed))
    stepper = make_stepper(task.model, config.decoding)
    for start in track(range(partial.done, len(images), CHUNK), f"describing {config.split}"):
        rows = range(start, min(start + CHUNK, len(images)))
        features = torch.from_numpy(store.rows([images[row].image_id for row in rows])).to(task.device)
        drawn = numbers[rows.start : rows.stop].to(task.device)
        decoded = decode(task.model, features, config.decoding, drawn, stepper)
        words = decoded.words.tolist()
        records = to_records([images[row] for row in rows], words, decoded.logprob.tolist(), task.vocabulary)
        partial.add(scoring.add(rows, records, [END in row for row in words]))


def is_there(out: Path, told: Mapping[str, Any], config: DumpConfig) -> bool:
    """Whether a whole dump of the same captioner stands there; scores that are asked for are made again, for a scorer
    may have other weights by now under the same name."""
    if config.scorers or not out.is_file():
        return False
    try:
        found = read_dump(out)
    except UserError:
        return False
    return agrees(found.header, {key: value for key, value in told.items() if key != "mini_scorers"})


def trained_on(path: Path) -> DataConfig:
    """The data that a checkpoint was trained on."""
    return DataConfig(**known_options(Checkpoint.load(path).state.get("config", {}).get("data", {}), path))


def to_records(
    images: Sequence[Image], words: Sequence[Sequence[int]], logprobs: Sequence[float], vocabulary: Vocabulary
) -> list[CaptionRecord]:
    """Decoded word ids as dump records, without scores."""
    decoded = [tuple(vocabulary.decode(row)) for row in words]
    return [
        CaptionRecord(image.image_id, " ".join(tokens), image.file_name, tokens, logprob)
        for image, tokens, logprob in zip(images, decoded, logprobs, strict=True)
    ]
