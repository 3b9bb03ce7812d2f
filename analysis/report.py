"""A report on one or several caption dumps: one self-contained page, and its numbers as CSV and JSON.

    python -m analysis report runs/ce/dumps/test.jsonl runs/mini-clip/dumps/test.jsonl --out report

The first dump is the baseline of every comparison.  The page needs no network and no server; everything it shows in a
table stands in `results.csv` and `results.json` beside it.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from analysis import ANALYSES
from analysis.context import Context, load_context
from analysis.curves import curve_rows, read_training
from analysis.examples import build_examples, example_rows, pick_examples
from analysis.page import Page, render
from analysis.photos import Policy, find_photos
from analysis.results import Row, write_rows
from analysis.scores import main_scorer, score_rows
from probing_vlp.dump import CaptionDump, read_dump
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write
from probing_vlp.lookup import lookup
from probing_vlp.records import Image


@dataclass
class Report:
    """Options of the report."""

    dumps: list[Path] = field(default_factory=list)
    """Caption dumps or COCO results files; the first is the baseline of every comparison."""
    out: Path = Path("report")
    """Folder for index.html, results.csv and results.json."""
    data: str = ""
    """Where the human captions come from; default: where the first dump says that it comes from.  embedded, a
    Karpathy JSON file, a folder of captions_{train,val,test}.json, or IMAGES_DIR,captions.csv."""
    images: Path | None = None
    """Folder with the photographs; thumbnails of the few that are shown go into the page."""
    photos: Policy = "auto"
    """Without --images: auto = thumbnails fetched once from COCO's server while the page is made, a button for what
    could not be had; click = a button that loads them when pressed; url = addresses of COCO's server, which a page read
    off line cannot show; none."""
    corpus: str = "coco"
    """What the language model behind the perplexity is estimated from: coco (the captions of train2014) or data (the
    train split of --data)."""
    seed: int = 1
    """Seed of the bootstrap intervals."""
    draws: int = 1000
    """Bootstrap draws behind each interval."""
    skip: list[str] = field(default_factory=list)
    """Analyses to leave out: metrics, perplexity, nouns, unigrams."""


def run(config: Report) -> None:
    """Measure, choose examples, write.  Raises UserError before anything is written."""
    dumps = read_dumps(config.dumps)
    common = common_images(dumps)
    check_folder(config.out)
    if config.images is not None and not config.images.is_dir():
        raise UserError(f"{config.images}: no such folder of images; leave --images out to use COCO's addresses")
    config = replace(config, data=config.data or data_of(dumps))
    context = load_context(config.data, config.corpus, config.seed, config.draws)
    scorer = main_scorer(dumps)
    picks, rule = pick_examples(dumps, common, scorer)
    images = [_image(pick.image_id, dumps, context) for pick in picks]
    photos = find_photos(images, config.photos, config.images)
    trainings = [read_training(dump) for dump in dumps]
    rows = [
        *measure(dumps, context, config.skip),
        *(row for training in trainings for row in curve_rows(training)),
        *example_rows(dumps, picks, scorer),
    ]
    examples = build_examples(dumps, picks, images, photos, context.references, rows)
    page = render(Page(dumps, rows, examples, rule, trainings, config.data, context, warnings(dumps, common)))
    try:
        csv_path, _ = write_rows(config.out, rows)
        atomic_write(config.out / "index.html", page.encode())
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise UserError(f"{config.out}: cannot be written to ({error.strerror}); give another --out") from None
    print(f"report: {(config.out / 'index.html').absolute()}\nnumbers: {csv_path.absolute()}")


def measure(dumps: Sequence[CaptionDump], context: Context, skip: Sequence[str] = ()) -> list[Row]:
    """Scores first, then every analysis of ANALYSES that is not skipped, dump by dump."""
    unknown = sorted(set(skip) - set(ANALYSES))
    if unknown:
        raise UserError(f"--skip {unknown[0]}: no such analysis; there are {', '.join(ANALYSES)}")
    rows = score_rows(dumps, context)
    for name in ANALYSES:
        if name not in skip:
            analyse = lookup(name, ANALYSES, "analysis")
            rows += [row for dump in dumps for row in analyse(dump, context)]
    return rows


def data_of(dumps: Sequence[CaptionDump]) -> str:
    """The data source that the first dump with a header names, else the embedded one."""
    return next((str(dump.header["data"]) for dump in dumps if "data" in dump.header), "embedded")


def read_dumps(paths: Sequence[Path]) -> list[CaptionDump]:
    """Read dumps under distinct labels: those that share a name are told apart by their paths."""
    if not paths:
        raise UserError("no dump given; make one with: python probe.py dump --run RUN")
    resolved = [path.resolve() for path in paths]
    for path, times in Counter(resolved).items():
        if times > 1:
            raise UserError(f"{path}: given {times} times; give each dump once")
    dumps = [read_dump(path) for path in paths]
    for dump in dumps:
        if not dump.records:
            raise UserError(f"{dump.path}: holds no captions; make the dump again")
    names = Counter(dump.name for dump in dumps)
    return [
        replace(dump, name=f"{dump.name} ({_apart(path, resolved)})") if names[dump.name] > 1 else dump
        for dump, path in zip(dumps, resolved, strict=True)
    ]


def _apart(path: Path, paths: Sequence[Path]) -> str:
    """The shortest end of `path` that no other of `paths` has."""
    for depth in range(1, len(path.parts) + 1):
        end = path.parts[-depth:]
        if sum(other.parts[-depth:] == end for other in paths) == 1:
            break
    return "/".join(end)


def common_images(dumps: Sequence[CaptionDump]) -> list[int]:
    """Image ids that every dump has a caption for, ascending.  Raises UserError if there are none."""
    sets = [{record.image_id for record in dump.records} for dump in dumps]
    for dump, ids in zip(dumps[1:], sets[1:], strict=True):
        if not ids & sets[0]:
            raise UserError(f"{dump.path} and {dumps[0].path} have no image in common; compare dumps of one split")
    common = sorted(set.intersection(*sets))
    if not common:
        raise UserError(f"the {len(dumps)} dumps have no image that all of them describe; compare dumps of one split")
    return common


def warnings(dumps: Sequence[CaptionDump], common: Sequence[int]) -> list[str]:
    """What a reader must know before comparing columns."""
    if all(len(dump.records) == len(common) for dump in dumps):
        return []
    counts = ", ".join(f"{dump.name} {len(dump.records):,}" for dump in dumps)
    return [
        f"The dumps do not describe the same images ({counts}; {len(common):,} in all of them). Means are over "
        "each dump's own images, differences over the shared ones."
    ]


def check_folder(out: Path) -> None:
    """Raise UserError if `out` can be neither written to nor made."""
    nearest = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise UserError(f"{nearest}: is a file, so the report cannot lie in or under it; give another --out")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UserError(f"{nearest}: cannot be written to; give another --out")


def _image(image_id: int, dumps: Sequence[CaptionDump], context: Context) -> Image:
    """The image as the data knows it, else as the dumps name it."""
    names = (record.file_name for dump in dumps for record in dump.records if record.image_id == image_id)
    return context.images.get(image_id) or Image(image_id, next((name for name in names if name), ""), "")
