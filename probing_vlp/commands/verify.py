"""`probe.py verify`: what a change of a caption is worth to a scorer.

Three photographs stand as examples for all experiments: those on which most of the constructions exist, in the order
of the dump.  Each distinct pair of image and caption is scored once, a chunk at a time into a file beside its place
(`.verification.jsonl.partial`); `--resume` goes on after the last whole chunk.

The human caption of an image is one of its references: a scorer that reads the references (cider) knows it by heart.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rich.progress import track

from probing_vlp import __version__
from probing_vlp.commands.constructing import Construction, construct, pick_examples, show
from probing_vlp.commands.partial import CHUNK, Partial, agrees
from probing_vlp.commands.scoring import Scoring, check_known, data_of, images_of, weights_of
from probing_vlp.data.text import tokenize
from probing_vlp.data.visuals import DataConfig, VisualSource, open_visuals
from probing_vlp.dump import CaptionDump, read_dump
from probing_vlp.errors import UserError
from probing_vlp.experiments import EXPERIMENTS
from probing_vlp.experiments.adding import PREFIX
from probing_vlp.experiments.base import Construct, find_experiment
from probing_vlp.experiments.doses import CONNECTIVE, with_words
from probing_vlp.experiments.pairs import BASES, Pair, Verification, read_verification, write_verification
from probing_vlp.experiments.templates import TEMPLATES, ReferenceWords, own_template, parse_template
from probing_vlp.files import read_bytes, sha256_file
from probing_vlp.records import CaptionRecord, Image
from probing_vlp.scorers import SCORERS
from probing_vlp.training.rewards import load_scorers, mini_scorers

NAME = "verification.jsonl"


@dataclass
class VerifyConfig:
    """Captions changed on purpose, scored before and after."""

    dump: str
    """Dump to read: ours or a COCO results file; one caption an image."""
    scorers: list[str] = field(default_factory=lambda: ["mini-clip"])
    """Scorers, by name or package.module:Class."""
    out: str = ""
    """Folder for verification.jsonl; default: the folder "verification" beside the dump."""
    experiments: list[str] = field(default_factory=lambda: list(EXPERIMENTS))
    """Experiments, by name or package.module:function; default: all."""
    base: Literal["both", "dump", "human"] = "both"
    """Which captions are changed: the dump's, the first human caption of each image, or both in turn."""
    template: str = ""
    """Template of the experiments words-3 to words-7: a name, or a notation as "a NOUN (of a NOUN)*"; default: the
    first scorer's own in Table 7 of the paper, else lxmert's."""
    prefix: str = ""
    """Words that the experiments prefix-first to fillers-last add; default: the paper's "a image image of"."""
    connective: str = ""
    """Word that the experiment connected adds; default: "and"."""
    drift: str = ""
    """Rows of `python -m analysis drift` (drift.json): the prefix and the connective that its last dump took to are
    tried, where none is given."""
    examples: list[int] = field(default_factory=list)
    """Images whose captions are shown for every experiment; default: the three with most constructions."""
    seed: int = 1
    """Of what the experiments draw at random, and of the intervals shown."""
    resume: bool = False
    """Go on with a verification that was interrupted."""
    data: DataConfig = field(default_factory=DataConfig)
    """What of the data is not the captions' own."""
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Options of the scorers by name."""


class Plan(NamedTuple):
    """What is to be scored, and by whom."""

    images: Sequence[Image]
    made: Sequence[Construction]
    scorers: Mapping[str, Any]
    source: VisualSource
    header: Mapping[str, Any]


def verify(config: VerifyConfig) -> None:
    """Construct, score, write, show."""
    plan = prepare(config)
    out = Path(config.out or Path(config.dump).parent / "verification", NAME)
    found = there(out, plan) if config.resume else None
    if found is None:
        scoring = Scoring(plan.scorers, config.options, plan.source, plan.images)
        partial = Partial(out, plan.header, config.resume)
        scores = score_all(plan, scoring, partial)
        ids = [image.image_id for image in plan.images]
        pairs = [
            Pair(one.experiment, one.base, ids[row], before, after, scores[row, before], scores[row, after])
            for one in plan.made
            for row, before, after in one.rows()
        ]
        partial.file.close()
        write_verification(out, plan.header, pairs)
        partial.path.unlink()
        found = Verification(plan.header, tuple(pairs))
    show(found, config.seed)
    print(f"{len(found.pairs)} pairs: {out.absolute()}\nrows: python -m analysis verification {out} --out {out.parent}")


def prepare(config: VerifyConfig) -> Plan:
    """Everything that can go wrong by a user's mistake, the cheap first; then scorers and constructions."""
    config = with_found_words(config)
    found = read_dump(Path(config.dump))
    bases = BASES if config.base == "both" else (config.base,)
    check_captions(found, bases)
    check_examples(config, found)
    template, chosen = choose(config)
    source = open_visuals(data_of(found, config.data))
    images = images_of(found, source)
    check_known(config.dump, config.data, images, source)
    scorers = load_scorers(config.scorers, config.options, source.trust_pickle)
    made = construct(found, source.data.captions, bases, chosen, config.seed)
    header = {
        "dump": found.name,
        "dump_sha256": sha256_file(Path(config.dump)),
        "images": len(images),
        "scorers": list(scorers),
        "mini_scorers": mini_scorers(scorers),
        "units": {name: scorer.unit for name, scorer in scorers.items()},
        "options": config.options,
        "weights": weights_of(config.options),
        "experiments": list(chosen),
        "bases": list(bases),
        "template": template,
        "notation": TEMPLATES.get(template, template),
        "prefix": " ".join(tokenize(config.prefix)) or PREFIX,
        "connective": config.connective or CONNECTIVE,
        "examples": config.examples or pick_examples(made),
        "seed": config.seed,
        "data": source.data.source,
        "version_of_project": __version__,
    }
    return Plan(images, made, scorers, source, header)


def there(out: Path, plan: Plan) -> Verification | None:
    """The whole verification that stands there, made under the same options with the same weights; none for a user's
    own scorers, whose code nobody can tell to be the same."""
    if not out.is_file() or not plan.scorers.keys() <= SCORERS.keys():
        return None
    try:
        found = read_verification(out)
    except UserError:
        return None
    return found if agrees(found.header, plan.header) else None


def choose(config: VerifyConfig) -> tuple[str, dict[str, Construct]]:
    """The template of words-K, and the experiments by name, with it or the given words where they take some."""
    if not config.experiments or not config.scorers:
        raise UserError("nothing to verify: name an experiment and a scorer: --experiments shuffled --scorer mini-clip")
    template = config.template or own_template(config.scorers[0])
    parse_template(template)
    prefix = " ".join(tokenize(config.prefix))
    found = {name: find_experiment(name) for name in dict.fromkeys(config.experiments)}
    return template, {
        name: replace(construct, template=template)
        if isinstance(construct, ReferenceWords)
        else with_words(construct, prefix, config.connective)
        for name, construct in found.items()
    }


def with_found_words(config: VerifyConfig) -> VerifyConfig:
    """The prefix and the connective of --drift where none is given: the notes of its rows begin with them, in quotes.

    Raises UserError for a file that has no such rows.
    """
    if not config.drift:
        return config
    remedy = "make it with: python -m analysis drift CE.jsonl DUMP.jsonl"
    try:
        rows = json.loads(read_bytes(Path(config.drift), "rows of drift", remedy))
        notes = {row["name"]: row["note"] for row in rows if row["model"] == rows[-1]["model"]}
        prefix, connective = (f"{notes[f'drift:{key}']} ".split('"') for key in ("prefix", "connective"))
    except (ValueError, KeyError, TypeError, IndexError):
        raise UserError(f"--drift {config.drift}: not rows of drift; {remedy}") from None
    return replace(
        config,
        prefix=config.prefix or (prefix[1] if len(prefix) > 2 else ""),
        connective=config.connective or (connective[1] if len(connective) > 2 else ""),
    )


def check_captions(found: CaptionDump, bases: Sequence[str]) -> None:
    """UserError for an empty dump, an image with two captions, and a caption without English words if it is used."""
    counts = Counter(record.image_id for record in found.records)
    if not counts:
        raise UserError(f"{found.path}: the dump holds no captions")
    image_id, most = counts.most_common(1)[0]
    if most > 1:
        raise UserError(
            f"{found.path}: image {image_id} has {most} captions; verification changes one an image: split the file"
        )
    bare = [r.image_id for r in found.records if not any(w.isascii() and w.isalpha() for w in tokenize(r.caption))]
    if bare and "dump" in bases:
        raise UserError(
            f"{found.path}: {len(bare)} of {len(found.records)} captions are empty or have no English word, first that "
            f"of image {bare[0]}; take them out, or change human captions only: --base human"
        )


def check_examples(config: VerifyConfig, found: CaptionDump) -> None:
    """UserError for an example that is no image of the dump."""
    missing = set(config.examples) - {record.image_id for record in found.records}
    if missing:
        raise UserError(f"--examples {min(missing)}: {config.dump} has no caption of that image")


def score_all(plan: Plan, scoring: Scoring, partial: Partial) -> dict[tuple[int, str], Mapping[str, float | None]]:
    """Scores by scorer of each (row of an image, caption), each distinct one scored once."""
    pairs = [(row, text) for one in plan.made for row, *texts in one.rows() for text in texts]
    todo = list(dict.fromkeys(pairs))
    for start in track(range(partial.done, len(todo), CHUNK), "scoring"):
        chunk = todo[start : start + CHUNK]
        records = [CaptionRecord(plan.images[row].image_id, text) for row, text in chunk]
        partial.add(scoring.add([row for row, _ in chunk], records))
    return {key: record.scores for key, record in zip(todo, partial.records, strict=True)}
