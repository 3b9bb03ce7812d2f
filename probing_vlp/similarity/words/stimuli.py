"""The words of a probe, and their categories.

    CSV    a column word (or Word, or the first one) and, if there is one, category (or Category)
    text   a word or phrase a line; lines that begin with # are left out

Words stay as they are spelt; spaces around them go.  A word may be of several words ("ice cream").  The paper's 320
nouns are 8 categories of 40: four of objects, four of events; their own file calls "negative event" natural_event.

Source: Bavaresco & Fernández (CoNLL 2025), section 3.  The list that comes with the project is not theirs: it was
chosen for this project among the words of the Lancaster norms, as balanced as theirs.
"""

import csv
import io
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from probing_vlp.errors import UserError, listed
from probing_vlp.files import read_bytes

SHIPPED = Path(__file__).parents[2] / "assets" / "similarity_nouns.csv"
SOE320 = Path("experiential") / "soe320" / "SOE320nouns_fMRI.csv"
OBJECTS = ("animal", "food", "tool", "vehicle")
EVENTS = ("negative event", "sound", "social event", "communication")
HALVES = {"objects": OBJECTS, "events": EVENTS}
SYNONYMS = {
    "natural event": "negative event",
    "negative": "negative event",
    "social": "social event",
    "communication event": "communication",
    "sound event": "sound",
}
"""Other names of the paper's categories, after underscores have become spaces."""
REMEDY = "give a CSV with a column word, or a text file with a word a line"


@dataclass(frozen=True)
class Stimuli:
    """Words, all different, and the category of each; no categories at all where the source has none."""

    words: tuple[str, ...]
    categories: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        where = self.source or "the words"
        if not self.words:
            raise UserError(f"{where}: no words; {REMEDY}")
        seen: dict[str, int] = {}
        for row, word in enumerate(self.words, 1):
            if not word.strip():
                raise UserError(f"{where}: word {row} is blank; {REMEDY}")
            if word in seen:
                raise UserError(f"{where}: '{word}' stands twice, as word {seen[word]} and word {row}; leave one out")
            seen[word] = row
        if self.categories and len(self.categories) != len(self.words):
            raise ValueError(f"{len(self.categories)} categories for {len(self.words)} words")

    def of(self, subset: str) -> "Stimuli":
        """The words of "all", "objects", "events", or a category; several with commas between.

        UserError for a name that is none of them, and for words without categories.
        """
        if subset == "all":
            return self
        if not self.categories:
            raise UserError(f"subset '{subset}': {self.source or 'the words'} have no categories; add such a column")
        there = tuple(dict.fromkeys(self.categories))
        wanted: set[str] = set()
        for name in subset.split(","):
            chosen = HALVES.get(name.strip(), (category_name(name),))
            if not wanted.union(chosen) & set(there) or (name.strip() not in HALVES and chosen[0] not in there):
                raise UserError(
                    f"subset '{name.strip()}': no such words; there are: all, objects, events, {', '.join(there)}"
                )
            wanted.update(chosen)
        return self._keep(lambda word, category: category in wanted)

    def only(self, words: Iterable[str]) -> "Stimuli":
        """Those of `words` that are here, in the order here."""
        kept = set(words)
        return self._keep(lambda word, category: word in kept)

    def _keep(self, wanted: Callable[[str, str], bool]) -> "Stimuli":
        pairs = list(zip(self.words, self.categories or [""] * len(self.words), strict=True))
        chosen = [(word, category) for word, category in pairs if wanted(word, category)]
        return Stimuli(
            tuple(word for word, _ in chosen),
            tuple(category for _, category in chosen) if self.categories else (),
            self.source,
        )


def category_name(name: str) -> str:
    """One spelling for a category: "natural_event" and "Negative Event" are "negative event"."""
    plain = " ".join(name.replace("_", " ").lower().split())
    return SYNONYMS.get(plain, plain)


def load_words(path: Path | str | None = None) -> Stimuli:
    """The words of a file; without one, the paper's nouns where $PROBING_VLP_DATA has them, else the project's own."""
    if path is None:
        folder = os.environ.get("PROBING_VLP_DATA")
        paper = Path(folder) / SOE320 if folder else None
        path = paper if paper and paper.is_file() else SHIPPED
    path = Path(path)
    raw = read_bytes(path, "word list", REMEDY)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); {REMEDY}") from None
    return _read_csv(text, path) if path.suffix.lower() == ".csv" else _read_lines(text, path)


def _read_lines(text: str, path: Path) -> Stimuli:
    lines = (line.strip() for line in text.splitlines())
    return Stimuli(tuple(line for line in lines if line and not line.startswith("#")), (), str(path))


def _read_csv(text: str, path: Path) -> Stimuli:
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    if not rows:
        raise UserError(f"{path}: is empty; {REMEDY}")
    header, body = [name.strip().lower() for name in rows[0]], rows[1:]
    place = _column(header, "word")
    if place is None and len(header) == 1:  # a bare list that happens to be called .csv
        return _read_lines(text, path)
    place = place or 0
    _check_lengths(body, len(header), path)
    words = tuple(row[place].strip() for row in body)
    category = _column(header, "category")
    if category is None:
        return Stimuli(words, (), str(path))
    categories = tuple(category_name(row[category]) for row in body)
    lacking = [word for word, name in zip(words, categories, strict=True) if not name]
    if lacking:
        raise UserError(f"{path}: no category for {listed(lacking)}; fill the column, or leave it out")
    return Stimuli(words, categories, str(path))


def _column(header: Sequence[str], name: str) -> int | None:
    return header.index(name) if name in header else None


def _check_lengths(rows: Sequence[Sequence[str]], width: int, path: Path) -> None:
    for number, row in enumerate(rows, 2):
        if len(row) != width:
            raise UserError(f"{path}, row {number}: {len(row)} columns, the header has {width}; quote what has commas")
