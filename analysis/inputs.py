"""What a report is made of, checked before anything is measured: dumps, their images, the folder to write to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from analysis.context import Context, load_context
from probing_vlp.data.text import is_foreign
from probing_vlp.dump import CaptionDump, read_dump
from probing_vlp.errors import UserError
from probing_vlp.files import nearest

PEOPLE = "human"
"""The model of rows about people's captions, which no dump can be."""


@dataclass
class Inputs:
    """Options that say what is read: dumps, people's captions, and the language model behind the perplexity."""

    dumps: list[Path] = field(default_factory=list)
    """Caption dumps or COCO results files; they may stand first, without the option's name."""
    data: str = ""
    """Where the human captions come from; default: where the first dump says that it comes from.  embedded, a
    Karpathy JSON file, a folder of captions_{train,val,test}.json, or IMAGES_DIR,captions.csv."""
    corpus: str = "coco"
    """What the language model behind the perplexity is estimated from: coco (the captions of train2014) or data (the
    train split of --data)."""
    lm: Path | None = None
    """Language model to use instead: an ARPA file or a KenLM binary file."""
    lm_order: int = 3
    """The order that it must have."""

    def context(self, data: str, seed: int = 1, draws: int = 1000) -> Context:
        """The surroundings of an analysis, with people's captions from `data`."""
        return load_context(data, self.corpus, seed, draws, self.lm, self.lm_order)


def read_dumps(paths: Sequence[Path]) -> list[CaptionDump]:
    """Read dumps under distinct labels: those that share a name, or have that of the rows of people's captions, are
    told apart by their paths."""
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
    names = Counter([PEOPLE, *(dump.name for dump in dumps)])
    return [
        replace(dump, name=f"{dump.name} ({_apart(path, resolved)})") if names[dump.name] > 1 else dump
        for dump, path in zip(dumps, resolved, strict=True)
    ]


def check_split(dumps: Sequence[CaptionDump]) -> None:
    """UserError for dumps of different splits."""
    splits = {str(dump.header["split"]): dump for dump in dumps if dump.header.get("split")}
    if len(splits) > 1:
        (split, dump), (other, second) = list(splits.items())[:2]
        raise UserError(f"{dump.path} is of split {split}, {second.path} of split {other}; compare dumps of one split")


def check_comparable(dumps: Sequence[CaptionDump]) -> None:
    """UserError for dumps of different splits, an image with two captions, and a dump of nothing but empty captions or
    captions of another script."""
    check_split(dumps)
    for dump in dumps:
        counts = Counter(record.image_id for record in dump.records)
        image_id, times = counts.most_common(1)[0]
        if times > 1:
            raise UserError(
                f"{dump.path}: image {image_id} stands there {times} times; a report compares one caption an image: "
                "split the file"
            )
        check_english(dump)


def check_english(dump: CaptionDump) -> None:
    """UserError for a dump of nothing but empty captions or captions of another script."""
    if not any(record.caption.strip() for record in dump.records):
        raise UserError(f"{dump.path}: every caption is empty; make the dump again")
    if all(is_foreign(record.caption) for record in dump.records if record.caption.strip()):
        raise UserError(f"{dump.path}: every caption is of another script; the analyses read English captions")


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
    told = []
    if not all(len(dump.records) == len(common) for dump in dumps):
        counts = ", ".join(f"{dump.name} {len(dump.records):,}" for dump in dumps)
        told.append(
            f"The dumps do not describe the same images ({counts}; {len(common):,} in all of them). Means are over "
            "each dump's own images, differences over the shared ones."
        )
    return told + caption_warnings(dumps)


def caption_warnings(dumps: Sequence[CaptionDump]) -> list[str]:
    """What a reader must know of captions that hold no English."""
    told = []
    for dump in dumps:
        empty = sum(not record.caption.strip() for record in dump.records)
        if empty:
            told.append(f"{empty:,} of {dump.name}’s {len(dump.records):,} captions are empty; they count as captions.")
        foreign = sum(is_foreign(record.caption) for record in dump.records)
        if foreign:
            told.append(
                f"{foreign:,} of {dump.name}’s {len(dump.records):,} captions are of another script; their words are "
                "counted, and their parts of speech are guesses."
            )
    return told


def data_of(dumps: Sequence[CaptionDump]) -> str:
    """The data source that the first dump with a header names, else the embedded one."""
    return next((str(dump.header["data"]) for dump in dumps if "data" in dump.header), "embedded")


def check_folder(out: Path) -> None:
    """Raise UserError if `out` can be neither written to nor made."""
    place, refused = nearest(out)
    if not place.is_dir():
        raise UserError(f"{place}: is a file, so nothing can lie in or under it; give another --out")
    if refused:
        raise UserError(f"{place}: cannot be written to ({refused}); give another --out")


def said_by_hand(dumps: Sequence[CaptionDump], trained: Mapping[str, str]) -> list[CaptionDump]:
    """The dumps, with the scorer that each was `trained` to please in the header, by the name of the dump.

    Raises UserError for a name that no dump has, and for a dump whose header names another scorer.
    """
    for name in trained:
        if name not in [dump.name for dump in dumps]:
            raise UserError(f"--trained.{name}: no dump of that name; there are {', '.join(d.name for d in dumps)}")
    return [_trained(dump, trained[dump.name]) if dump.name in trained else dump for dump in dumps]


def _trained(dump: CaptionDump, scorer: str) -> CaptionDump:
    signature = dump.header.get("signature")
    known = dict(signature) if isinstance(signature, Mapping) else {}
    if known.get("reward") and list(known["reward"]) != [scorer]:
        raise UserError(f"--trained.{dump.name} {scorer}: its header says {', '.join(known['reward'])}; leave it out")
    return replace(dump, header={**dump.header, "signature": {**known, "reward": {scorer: 1.0}}})


def _apart(path: Path, paths: Sequence[Path]) -> str:
    """The shortest end of `path` that no other of `paths` has."""
    for depth in range(1, len(path.parts) + 1):
        end = path.parts[-depth:]
        if sum(other.parts[-depth:] == end for other in paths) == 1:
            break
    return "/".join(end)
