"""A report on one or several caption dumps: one self-contained page, its numbers, tables and figures beside it.

    python -m analysis report runs/ce/dumps/test.jsonl runs/mini-clip/dumps/test.jsonl --out report

The first dump is the baseline of every comparison.  The page needs no network and no server; everything it shows in a
table stands in `results.csv` and `results.json` beside it, each table in `tables/` as CSV and LaTeX, each figure in
`figures/` as SVG and PNG.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from analysis import ANALYSES, METRICS
from analysis.beside import Beside
from analysis.context import Context
from analysis.curves import curve_rows, read_training
from analysis.drift.drift import human_dump, use_thresholds
from analysis.habits.verdicts import habit_rows
from analysis.inputs import (
    Inputs,
    check_comparable,
    check_folder,
    common_images,
    data_of,
    read_dumps,
    said_by_hand,
    warnings,
)
from analysis.reading import readings
from analysis.report.browse import build_browse, find_marks, sample
from analysis.report.examples import build_examples, example_rows, pick_examples
from analysis.report.hero import hero_rows, pick_hero
from analysis.report.page import Page, render
from analysis.report.photos import Policy, find_photos, small_photos
from analysis.report.verified import source_of
from analysis.scores import main_scorer, reward_scorers, score_rows
from analysis.streams.human import human_rows
from analysis.verification.rows import read_all, verification_rows
from probing_vlp.dump import CaptionDump
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write
from probing_vlp.lookup import lookup
from probing_vlp.pages.exports import exports
from probing_vlp.pages.results import Row, read_rows, write_rows
from probing_vlp.pages.wording import listing
from probing_vlp.records import Image

BESIDE = ("metrics", "drift")
"""Analyses that are made in a process of their own."""


@dataclass
class Report(Inputs):
    """Options of the report."""

    dumps: list[Path] = field(default_factory=list)
    """Caption dumps or COCO results files; the first is the baseline of every comparison."""
    out: Path = Path("report")
    """Folder for index.html, results.csv, results.json, tables/ and figures/."""
    verification: list[Path] = field(default_factory=list)
    """What scorers say of constructed captions: files that `probe.py verify` wrote, or rows of them."""
    images: Path | None = None
    """Folder with the photographs; they go into the page, small, as many as fit."""
    photos: Policy = "auto"
    """Without --images: auto = thumbnails fetched once from COCO's server while the page is made, a button for what
    could not be had; click = a button that loads them when pressed; url = addresses of COCO's server, which a page read
    off line cannot show; none."""
    trained: dict[str, str] = field(default_factory=dict)
    """Scorer that a dump's captions were trained to please, by the dump's name, where its header does not say
    (--trained.SCST clip).  Where nobody says, and one scorer was verified, habits are judged by that one."""
    thresholds: Path | None = None
    """Limits of drift learned from CE dumps of several seeds (`python -m analysis thresholds`)."""
    seed: int = 1
    """Seed of the bootstrap intervals, and of the sample of a dump too large to be searched in the page."""
    draws: int = 1000
    """Bootstrap draws behind each interval."""
    skip: list[str] = field(default_factory=list)
    """Analyses to leave out, by the names of their commands, and single caption metrics: BLEU, METEOR, ROUGE-L, CIDEr,
    SPICE."""


def run(config: Report) -> None:
    """Measure, choose examples, write.  Raises UserError before anything is written."""
    dumps = said_by_hand(read_dumps(config.dumps), config.trained)
    check_comparable(dumps)
    common = common_images(dumps)
    check_folder(config.out)
    if config.images is not None and not config.images.is_dir():
        raise UserError(f"{config.images}: no such folder of images; leave --images out to use COCO's addresses")
    config = replace(config, data=config.data or data_of(dumps))
    context = config.context(config.data, config.seed, config.draws)
    if config.thresholds is not None:
        use_thresholds(context, config.thresholds)
    verified = verified_rows(config.verification, context)
    page = assemble(config, dumps, common, context, verified)
    html, tables, drawings = render(page)
    files = list(exports(tables, drawings))
    try:
        csv_path, _ = write_rows(config.out, page.rows)
        for name, content in files:
            atomic_write(config.out / name, content)
        atomic_write(config.out / "index.html", html.encode())
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise UserError(f"{config.out}: cannot be written to ({error.strerror}); give another --out") from None
    print(f"report: {(config.out / 'index.html').absolute()}\nnumbers: {csv_path.absolute()}")
    print(f"tables and figures: {len(files)} files under {config.out.absolute()}")


def assemble(
    config: Report, dumps: Sequence[CaptionDump], common: Sequence[int], context: Context, verified: Sequence[Row]
) -> Page:
    """All that the page shows."""
    scorer = main_scorer(dumps)
    picks, rule = pick_examples(dumps, common, scorer)
    hero = pick_hero(dumps, common, scorer)
    shown = [pick.image_id for pick in picks] + ([hero.image_id] if hero else [])
    images = [_image(image_id, dumps, context) for image_id in shown]
    photos = find_photos(images, config.photos, config.images)
    trainings = [read_training(dump) for dump in dumps]
    measured = [*measure(dumps, context, config.skip), *verified]
    judges = find_judges(dumps, verified)
    rows = [
        *measured,
        *(row for name, judge in judges.items() for row in habit_rows(measured, name, judge)),
        *(row for training in trainings for row in curve_rows(training)),
        *example_rows(dumps, picks, scorer),
        *(hero_rows(hero) if hero else ()),
    ]
    listed = [_image(image_id, dumps, context) for image_id in sample(common, shown, config.seed)]
    browse = build_browse(
        dumps,
        listed,
        small_photos(listed, config.photos, config.images),
        len(common),
        context,
        find_marks(dumps, context, config.skip),
        scorer,
    )
    examples = build_examples(dumps, picks, images[: len(picks)], photos[: len(picks)], context.references, rows)
    photo = photos[-1] if hero else None
    told = warnings(dumps, common) + foreign(dumps, verified)
    return Page(dumps, rows, examples, rule, hero, photo, trainings, browse, config.data, context, told, judges)


def find_judges(dumps: Sequence[CaptionDump], verified: Sequence[Row]) -> dict[str, str]:
    """The scorer that a dump's habits are judged by, by the dump's name: the one that it was trained to please; where
    no header names any, and one scorer was verified, that one for every dump but the first."""
    trained = {dump.name: scorers[0] for dump in dumps if (scorers := reward_scorers(dump))}
    asked = {row.model for row in verified}
    return trained or (dict.fromkeys([dump.name for dump in dumps[1:]], min(asked)) if len(asked) == 1 else {})


def measure(dumps: Sequence[CaptionDump], context: Context, skip: Sequence[str] = ()) -> list[Row]:
    """Scores first, then every analysis of ANALYSES that is not skipped, dump by dump, then the human captions.

    The caption metrics and the drift, which take the longest, are made in processes beside the others; the captions are
    tagged before the second begins, so that it sees them.
    """
    if unknown := sorted(set(skip) - {*ANALYSES, *METRICS}):
        raise UserError(f"--skip {unknown[0]}: no such analysis; there are {', '.join([*ANALYSES, *METRICS])}")
    context = replace(context, without=frozenset(skip) & set(METRICS))
    names = [name for name in ANALYSES if name not in skip]
    beside: dict[str, Beside[list[Row]]] = {}
    for name in (name for name in BESIDE if name in names):
        if name != "metrics":
            for dump in (*dumps, human_dump(dumps[0], context)):
                readings(dump, context)
        beside[name] = Beside(functools.partial(made, name, dumps, context))
    rows = {name: made(name, dumps, context) for name in names if name not in beside}
    if "patterns" in names and (human := human_dump(dumps[0], context)).records:
        rows["human patterns"] = made("patterns", [human], context)
    compared = human_rows(dumps, context, names)
    rows |= {name: process.result() for name, process in beside.items()}
    return [
        *score_rows(dumps, context),
        *(row for name in (*names, "human patterns") for row in rows.get(name, ())),
        *compared,
    ]


def made(name: str, dumps: Sequence[CaptionDump], context: Context) -> list[Row]:
    """The rows of one analysis, dump by dump."""
    analyse = lookup(name, ANALYSES, "analysis")
    return [row for dump in dumps for row in analyse(dump, context)]


def verified_rows(paths: Sequence[Path], context: Context) -> list[Row]:
    """Rows of verification files, and those of result files (.csv, .json) as they stand there."""
    ready = [path for path in paths if path.suffix in (".csv", ".json")]
    raw = [path for path in paths if path not in ready]
    rows = [row for found in (read_all(raw) if raw else ()) for row in verification_rows(found, context)]
    for path in ready:
        found = [row for row in read_rows(path) if row.name.startswith("verify:")]
        if not found:
            raise UserError(f"{path}: holds no rows of a verification; python probe.py verify --help makes them")
        again = {row.model for row in rows} & {row.model for row in found}
        if again:
            raise UserError(f"{path}: {min(again)} is verified in another of these files too; give one of the two")
        rows += found
    return rows


def foreign(dumps: Sequence[CaptionDump], verified: Sequence[Row]) -> list[str]:
    """A warning if the captions of a dump were verified that is none of these."""
    changed = {
        source_of({(row.name, row.model): row}, "dump")
        for row in verified
        if ":dump/" in row.name and row.name.endswith(":score")
    }
    names = {name.partition(", seed")[0] for name in changed} - {dump.name for dump in dumps}
    told = "The captions that scorers were asked about are those of {}, which is none of these dumps."
    return [told.format(listing(sorted(names)))] if names else []


def _image(image_id: int, dumps: Sequence[CaptionDump], context: Context) -> Image:
    """The image as the data knows it, else as the dumps name it."""
    if image_id in context.images:
        return context.images[image_id]
    names = context.once(
        "file names", lambda: {r.image_id: r.file_name for d in dumps for r in d.records if r.file_name}
    )
    return Image(image_id, names.get(image_id, ""), "")
