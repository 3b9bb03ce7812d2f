"""`probe.py dump` and `probe.py score`: captions of a split by a trained captioner, and scores beside captions.

A dump grows in a file beside its place (`.NAME.partial`), a chunk of images at a time, each chunk flushed;
`--resume` goes on after the last whole line.  The dump itself appears at once, whole.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import track

from probing_vlp import __version__
from probing_vlp.captioner.checkpoint import find_checkpoint, load_captioner
from probing_vlp.captioner.decode import decode
from probing_vlp.captioner.stepper import DecodeConfig, make_stepper
from probing_vlp.checkpoints import Checkpoint
from probing_vlp.data.visuals import DataConfig, VisualSource, open_visuals
from probing_vlp.data.vocabulary import END, Vocabulary
from probing_vlp.dump import CaptionDump, finite_or_none, parse_record, read_dump, record_line, write_dump
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, naming, nearest, sha256_file
from probing_vlp.records import CaptionRecord, Image
from probing_vlp.training.rewards import encode_images, load_scorers, mini_scorers, score_captions, seen_by

CHUNK = 128
"""Images decoded, scored and written at a time."""


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
    """Go on with a dump that was interrupted."""
    data: DataConfig = field(default_factory=DataConfig)
    """The data that the captioner was trained on, unless any of these is given."""
    decoding: DecodeConfig = field(default_factory=DecodeConfig)
    scorers: list[str] = field(default_factory=list)
    """Scorers whose raw scores are written beside the captions."""
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Options of the scorers by name."""
    seed: int = 1
    """Of sampling."""


def dump(config: DumpConfig) -> None:
    """Decode, score, write."""
    path = find_checkpoint(config.run)
    data = config.data if config.data != DataConfig() else trained_on(path)
    source = open_visuals(data)
    assert source.store is not None
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, vocabulary, checkpoint = load_captioner(path, source.store, device)
    folder = Path(config.run) if Path(config.run).is_dir() else path.parent
    out = Path(config.out) if config.out else folder / "dumps" / f"{config.split}.jsonl"
    images = source.data.split(config.split)
    source.store.check(image.image_id for image in images)
    scorers = load_scorers(config.scorers, config.options, source.trust_pickle)
    scoring = Scoring(scorers, config.options, source, images)
    header = {
        "name": config.name or folder.name,
        "split": config.split,
        "seed": config.seed,
        "version_of_project": __version__,
        "run": str(folder),
        "checkpoint": path.name,
        "checkpoint_sha256": sha256_file(path),
        "step": checkpoint.state["step"],
        "kind": checkpoint.state.get("kind"),
        "signature": checkpoint.state.get("signature", {}),
        "config": checkpoint.state.get("config", {}),
        "decoding": vars(config.decoding),
        "scorers": list(config.scorers),
        "options": config.options,
        "data": data.source,
        "features": data.features,
        "mini_scorers": sorted({*checkpoint.state.get("mini_scorers", ()), *mini_scorers(scoring.scorers)}),
    }
    partial = Partial(out, header, config.resume)
    numbers = torch.rand(len(images), config.decoding.max_length, generator=torch.Generator().manual_seed(config.seed))
    stepper = make_stepper(model, config.decoding)
    for start in track(range(partial.done, len(images), CHUNK), f"describing {config.split}"):
        rows = range(start, min(start + CHUNK, len(images)))
        features = torch.from_numpy(source.store.rows([images[row].image_id for row in rows])).to(device)
        decoded = decode(model, features, config.decoding, numbers[rows.start : rows.stop].to(device), stepper)
        records = to_records(
            [images[row] for row in rows], decoded.words.tolist(), decoded.logprob.tolist(), vocabulary
        )
        partial.add(scoring.add(rows, records, [END in row for row in decoded.words.tolist()]))
    partial.finish()
    print(f"{len(images)} captions: {out}")


def trained_on(path: Path) -> DataConfig:
    """The data that a checkpoint was trained on."""
    return DataConfig(**known_options(Checkpoint.load(path).state.get("config", {}).get("data", {}), path))


def known_options(stated: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """What a file says of its data; UserError for an option that DataConfig has not, or a value of another type."""
    for key, value in stated.items():
        usual = vars(DataConfig()).get(key, ...)
        fits = isinstance(value, bool) if isinstance(usual, bool) else isinstance(value, str) or value is usual
        if usual is ... or not fits:
            raise UserError(
                f"{path}: its config.data has {key} {json.dumps(value)}, which is no option of the data; the options "
                f"are {', '.join(vars(DataConfig()))}"
            )
    return dict(stated)


def to_records(
    images: Sequence[Image], words: Sequence[Sequence[int]], logprobs: Sequence[float], vocabulary: Vocabulary
) -> list[CaptionRecord]:
    """Decoded word ids as dump records, without scores."""
    decoded = [tuple(vocabulary.decode(row)) for row in words]
    return [
        CaptionRecord(image.image_id, " ".join(tokens), image.file_name, tokens, logprob)
        for image, tokens, logprob in zip(images, decoded, logprobs, strict=True)
    ]


class Scoring:
    """Raw scores of captions of a list of images by several scorers, the images encoded once."""

    def __init__(
        self,
        scorers: Mapping[str, Any],
        options: Mapping[str, Mapping[str, Any]],
        source: VisualSource,
        images: Sequence[Image],
    ) -> None:
        self.scorers = scorers
        self.encoded = {
            name: encode_images(scorer, images, seen_by(source, options, name)) for name, scorer in scorers.items()
        }

    def add(
        self, rows: Sequence[int], records: Sequence[CaptionRecord], ended: Sequence[bool] | None = None
    ) -> list[CaptionRecord]:
        """The records with a score by each scorer; record i belongs to image row rows[i], `ended`: it was not cut."""
        captions = [record.caption for record in records]
        found = {
            name: score_captions(scorer, self.encoded[name].select(rows), captions, ended).tolist()
            for name, scorer in self.scorers.items()
        }
        return [
            replace(record, scores={**record.scores, **{name: finite_or_none(found[name][i]) for name in found}})
            for i, record in enumerate(records)
        ]


class Partial:
    """A dump in the making; `done` records of it are already there."""

    def __init__(self, out: Path, header: Mapping[str, Any], resume: bool) -> None:
        self.out, self.header, self.records = out, dict(header), []
        if out.is_dir():
            raise UserError(f"{out}: is a folder; name the dump file with --out")
        self.path = out.with_name(f".{out.name}.partial")
        first = json.dumps(self.header, sort_keys=True)
        if resume and self.path.exists():
            self.records = self._read(first)
        # rewritten: a line cut by a kill goes
        atomic_write(self.path, "".join(f"{line}\n" for line in [first, *map(record_line, self.records)]).encode())
        self.file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115

    @property
    def done(self) -> int:
        """Records already there."""
        return len(self.records)

    def add(self, records: Sequence[CaptionRecord]) -> None:
        """Append and flush to disk."""
        self.records.extend(records)
        with naming(self.path):
            self.file.write("".join(record_line(record) + "\n" for record in records))
            self.file.flush()
            os.fsync(self.file.fileno())

    def finish(self) -> None:
        """Put the whole dump in its place."""
        self.file.close()
        write_dump(self.out, self.header, self.records)
        self.path.unlink()

    def _read(self, first: str) -> list[CaptionRecord]:
        lines = self.path.read_text(encoding="utf-8").split("\n")
        if lines[0] != first:
            raise UserError(
                f"{self.path}: was begun with other options or another checkpoint; delete it, or leave out --resume"
            )
        whole = lines[1:-1]  # what follows the last newline was cut
        return [parse_record(self.path, i, line) for i, line in enumerate(whole[: len(whole) // CHUNK * CHUNK], 2)]


@dataclass
class ScoreConfig:
    """Scores beside the captions of a dump."""

    dump: str
    """Dump to read: ours or a COCO results file."""
    scorers: list[str] = field(default_factory=lambda: ["mini-clip"])
    """Scorers, by name or package.module:Class."""
    out: str = ""
    """File to write; default: the dump itself, or NAME.jsonl beside a COCO results file."""
    data: DataConfig = field(default_factory=DataConfig)
    """What of the data is not the captions' own; images that the data do not know are found by name or COCO id."""
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Options of the scorers by name."""


def score(config: ScoreConfig) -> None:
    """Score every caption of a dump and write it with the scores."""
    found: CaptionDump = read_dump(Path(config.dump))
    given = Path(config.dump)
    out = Path(config.out) if config.out else given if found.header else given.with_suffix(".jsonl")
    check_place(out)
    source = open_visuals(data_of(found, config.data))
    images = images_of(found, source)
    row_of = {image.image_id: row for row, image in enumerate(images)}
    scorers = load_scorers(config.scorers, config.options, source.trust_pickle)
    if any(scorer.visual in ("references", "features") for scorer in scorers.values()):
        check_known(config, images, source)
    scoring = Scoring(scorers, config.options, source, images)
    scored = scoring.add([row_of[r.image_id] for r in found.records], found.records)
    header = {
        "name": found.name,
        **found.header,
        "scorers": sorted({*found.header.get("scorers", ()), *config.scorers}),
        "mini_scorers": sorted({*found.header.get("mini_scorers", ()), *mini_scorers(scoring.scorers)}),
    }
    header.pop("count", None)
    write_dump(out, header, scored)
    print(f"{len(scored)} captions scored by {', '.join(config.scorers)}: {out}{unscored(scored, config.scorers)}")


def check_place(out: Path) -> None:
    """UserError, or the system's own error, for a path that cannot be written; leaves nothing behind."""
    if out.is_dir():
        raise UserError(f"{out}: is a folder; name the dump file with --out")
    above, refused = nearest(out.absolute().parent)
    if refused:
        raise UserError(f"{out}: cannot be written in {above} ({refused}); give another --out")


def unscored(records: Sequence[CaptionRecord], names: Sequence[str]) -> str:
    """How many captions each scorer could not score, for the end of a line; empty if all are scored."""
    counts = {name: sum(record.scores[name] is None for record in records) for name in names}
    said = ", ".join(f"{count} by {name}" for name, count in counts.items() if count)
    return f"; could not be scored: {said}" if said else ""


def data_of(found: CaptionDump, given: DataConfig) -> DataConfig:
    """The data that the captions were made from, as far as the dump says, with what is given in its place.

    Trust in pickles is never taken from a dump, which may be somebody else's.
    """
    stated = known_options(found.header.get("config", {}).get("data", {}), found.path or Path(found.name))
    stated = {key: value for key, value in stated.items() if key != "trust_pickle"}
    usual = vars(DataConfig())
    return DataConfig(
        **{**usual, **stated, **{key: value for key, value in vars(given).items() if value != usual[key]}}
    )


def images_of(found: CaptionDump, source: VisualSource) -> list[Image]:
    """The images of a dump, once each, as the data know them, else as the dump names them."""
    by_id = {image.image_id: image for image in source.data.images}
    named = {record.image_id: record.file_name for record in found.records}
    return [by_id.get(image_id) or Image(image_id, name, "") for image_id, name in named.items()]


def check_known(config: ScoreConfig, images: Sequence[Image], source: VisualSource) -> None:
    """UserError for an image that the data do not know, for scorers that read the data."""
    known = {image.image_id for image in source.data.images}
    missing = next((image.image_id for image in images if image.image_id not in known), None)
    if missing is not None:
        raise UserError(
            f"{config.dump}: image {missing} is not in the data {config.data.source}; give its data with --data.source"
        )
