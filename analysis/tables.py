"""Tables of a report, made from result rows alone: measures down, dumps across."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from analysis.curves import curve_title
from analysis.results import Row
from analysis.wording import interval, number

METRICS = {f"BLEU-{n}": f"BLEU-{n}" for n in (1, 2, 3, 4)} | {
    "METEOR": "METEOR",
    "METEOR_image": "METEOR, mean over images",
    "ROUGE-L": "ROUGE-L",
    "CIDEr": "CIDEr",
    "SPICE": "SPICE",
}
STATISTICS = {
    "perplexity": "Perplexity under a trigram model",
    "perplexity_with_oov": "… unknown words counted",
    "perplexity_caption": "… mean over captions",
    "oov_words": "Share of words unknown to that model",
    "length": "Words a caption",
    "nouns": "Nouns a caption",
    "distinct_nouns": "Distinct nouns a caption",
}
WHICH = ("first", "lowest", "highest", "last")


@dataclass(frozen=True)
class Cell:
    """One value as it is shown: the number, its interval, its n where it is not the table's, or why there is none."""

    text: str = "–"
    interval: str = ""
    n: str = ""
    note: str = ""
    own: bool = False
    """Whether a captioner is judged by its own reward."""


@dataclass(frozen=True)
class Line:
    """One measure: its heading and a cell for each column, or a single one that stands for all."""

    title: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table with its caption; `n` is said once where it is the same for every value."""

    key: str
    caption: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    n: str = ""


def build_tables(rows: Sequence[Row], models: Sequence[str]) -> list[Table]:
    """Scores, caption metrics, statistics, unigrams and whatever other measures the rows hold; empty ones left out."""
    names = list(dict.fromkeys(row.name for row in rows if not row.name.startswith(("curve", "example:"))))
    scorers = [name.split(":", 1)[1] for name in names if name.startswith("score:")]
    scores = {
        f"{kind}:{scorer}": title.format(scorer)
        for scorer in scorers
        for kind, title in (
            ("score", "Mean score by {}"),
            ("score_difference", f"Change from {models[0]}, same images"),
            ("unscored", "Captions {} could not score"),
        )
    }
    rest = {
        name: name.replace("_", " ")
        for name in names
        if name not in scores | METRICS | STATISTICS and not name.startswith("unigram")
    }
    tables = [
        _table("scores", "Matching scores, raw", scores, rows, models),
        _table("metrics", "Caption metrics against the human captions", METRICS, rows, models),
        _table("statistics", "What the captions are like", STATISTICS, rows, models),
        unigram_table(rows, models),
        _table("other", "Other measures", rest, rows, models),
    ]
    return [table for table in tables if table.lines]


def _table(key: str, caption: str, titles: dict[str, str], rows: Iterable[Row], models: Sequence[str]) -> Table:
    """Lines in the order of `titles`, those without any row left out."""
    found = {(row.name, row.model): row for row in rows if row.name in titles}
    counts = {row.n for row in found.values() if row.value is not None}
    shared = len(counts) == 1
    lines = []
    for name, title in titles.items():
        cells = [_cell(found.get((name, model)), not shared) for model in models]
        if any((name, model) in found for model in models):
            same = cells[0].note and len(set(cells)) == 1
            lines.append(Line(title, tuple(cells[:1] if same else cells)))
    return Table(key, caption, tuple(models), tuple(lines), f"n = {counts.pop():,} images" if shared else "")


def _cell(row: Row | None, with_n: bool) -> Cell:
    if row is None:
        return Cell()
    if row.value is None:
        return Cell("unavailable", note=row.note.removeprefix("unavailable: "))
    signed = row.name.startswith("score_difference")
    span = interval(row.ci_low, row.ci_high, signed) if row.ci_low is not None and row.ci_high is not None else ""
    whole = row.unit in ("captions", "images") and row.value == int(row.value)
    return Cell(f"{int(row.value):,}" if whole else number(row.value, signed), span, f"n = {row.n:,}" if with_n else "")


def unigram_table(rows: Iterable[Row], models: Sequence[str]) -> Table:
    """The most frequent words: rank down, dumps across, each with its share of all words."""
    ranked: dict[int, dict[str, Cell]] = {}
    counts = set()
    for row in rows:
        if row.name.startswith("unigram_share:") and row.value is not None:
            counts.add(row.n)
            rank, word = row.name.split(":", 2)[1:]
            known = row.ci_low is not None and row.ci_high is not None
            span = f" ({interval(100 * (row.ci_low or 0), 100 * (row.ci_high or 0))})" if known else ""
            share = f"{number(100 * row.value)} %{span}"
            ranked.setdefault(int(rank), {})[row.model] = Cell(word, share)
    lines = tuple(
        Line(str(rank), tuple(cells.get(model, Cell()) for model in models)) for rank, cells in sorted(ranked.items())
    )
    n = f"n = {counts.pop():,} captions" if len(counts) == 1 else ""
    return Table("unigrams", "The most frequent words, with their share of all words", tuple(models), lines, n)


def curve_table(rows: Iterable[Row], model: str) -> Table:
    """First, lowest, highest and last value of each curve of a dump's run, with the step."""
    found = {row.name: row for row in rows if row.model == model and row.name.startswith("curve:")}
    keys = dict.fromkeys(name.split(":")[1] for name in found)
    cell: Callable[[Row], Cell] = lambda row: Cell(number(row.value or 0.0), row.note)  # noqa: E731
    lines = tuple(Line(curve_title(key), tuple(cell(found[f"curve:{key}:{which}"]) for which in WHICH)) for key in keys)
    return Table(f"curves-{model}", f"Training of {model}: values on the way", WHICH, lines)
