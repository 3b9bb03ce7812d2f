"""The paper's tables and figures as this report has them, from result rows alone: what the captions became.

An exhibit whose rows are not there says in one line which command makes them.  What the scorers say of constructed
captions is in `analysis.report.verified`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.inputs import PEOPLE
from analysis.report import paper
from analysis.report.charts import Dot, bar_chart
from analysis.report.drift_tables import CHAIR, drift
from analysis.report.matrix import Rewards, full_table, why_missing
from analysis.report.pattern_tables import table_5
from analysis.report.tables import SKIPPED, Exhibit, measures_down, person, unigram_table
from probing_vlp.pages.results import Row
from probing_vlp.pages.tables import Cell, Found, Line, Table, by_name, cell, common_n
from probing_vlp.pages.wording import number

HUMAN_SERIES = 7
"""The colour of the human captions."""
STATISTICS = {
    "perplexity": "Perplexity (trigram, as SRILM's ppl)",
    "length": "Words",
    "nouns": "Nouns",
    "distinct_nouns": "Distinct nouns",
    "perplexity_with_oov": "Perplexity, unknown words counted",
    "perplexity_caption": "Perplexity, mean over captions",
    "oov_words": "Share of unknown words",
}
CLAIMED = (
    *("score", "unscored:", "unigram", "prefix:", "pattern:", "found_", "drift", "threshold:", "crossed:"),
    *("habit:", "tolerated:", "paid:"),
    *("change:", "human_change:", "best_pattern:"),
)
PARTS = "unigram_pos:"
UNSHOWN = ("curve", "example:", "verify:")


def build_exhibits(
    rows: Sequence[Row], models: Sequence[str], rewards: Rewards, papers: Mapping[str, str]
) -> list[Exhibit]:
    """Table 2, Table 4, Figure 4, Table 5, drift, and whatever other measures the rows hold.

    `papers`: the paper's name of a dump's captioner, for those whose published numbers are to stand beside ours.
    """
    shown = [*models, PEOPLE] if any(row.model == PEOPLE for row in rows) else list(models)
    return [
        table_2(rows, models, rewards, papers),
        table_4(rows, shown, papers),
        figure_4(rows, shown),
        table_5(rows, shown, papers),
        drift(rows, shown),
        *others(rows, shown),
    ]


def table_2(rows: Sequence[Row], models: Sequence[str], rewards: Rewards, papers: Mapping[str, str]) -> Exhibit:
    """Scores under every scorer, and caption metrics."""
    table = full_table(rows, models, rewards, papers)
    title = "Every captioner under every scorer, and against people’s captions"
    hint = "A frame marks a captioner judged by the scorer it was trained to please. " if any(rewards.values()) else ""
    hint += " ".join(f"{why}." for why in why_missing(rows))
    missing = "" if table else "No scores and no metrics: python probe.py score --dump DUMP, or no --skip metrics."
    return Exhibit("table-2", title, hint.strip(), (table,) if table else (), missing=missing, paper=paper.table_2())


def table_4(rows: Sequence[Row], models: Sequence[str], papers: Mapping[str, str]) -> Exhibit:
    """Statistics of the captions, with those of people's."""
    found = by_name(rows)
    names = [name for name in STATISTICS if any((name, model) in found for model in models)]
    names += [
        name for name in dict.fromkeys(row.name for row in rows) if name.startswith("perplexity") and name not in names
    ]
    lines = tuple(
        Line(
            person(model),
            tuple(_with_change(found, name, model, _printed(papers, model, name)) for name in names),
        )
        for model in models
    )
    columns = tuple(STATISTICS.get(name, name.replace("_", " ")) for name in names)
    n = common_n([row for row in rows if row.name in names and row.model != PEOPLE], "captions")
    table = Table("table-4", "What the captions are like, means a caption", columns, lines, n)
    missing = "" if names else SKIPPED.format("perplexity and nouns")
    tables = (table,) if names else ()
    counts = sorted({row.n for row in rows if row.name in names and row.model == PEOPLE})
    hint = f"People’s captions: all of the same photographs, n = {counts[-1]:,}." if counts else ""
    return Exhibit("table-4", "Statistics of the captions", hint, tables, missing=missing, paper=paper.table_4())


def _with_change(found: Found, name: str, model: str, printed: float | None) -> Cell:
    change = found.get((f"change:{name}", model))
    shown = cell(change, signed=True) if change is not None and change.value is not None else None
    note = f"change {shown.text} ({shown.interval})" if shown else ""
    return replace(cell(found.get((name, model)), paper=printed), note=note)


def _printed(papers: Mapping[str, str], model: str, name: str) -> float | None:
    return paper.published(papers.get(model, ""), name)


def figure_4(rows: Sequence[Row], models: Sequence[str]) -> Exhibit:
    """The ten most frequent words of each captioner."""
    table = unigram_table(rows, models)
    drawings = []
    for place, model in enumerate(models):
        series = HUMAN_SERIES if model == PEOPLE else place
        bars = [
            Dot(row.name.split(":", 2)[2], series, row.value, row.ci_low, row.ci_high)
            for row in rows
            if row.name.startswith("unigram_share:") and row.model == model and row.value is not None
        ]
        if bars:
            told = ", ".join(f"{bar.label} {number(100 * bar.value)} %" for bar in bars)
            drawings.append(bar_chart(f"figure-4-{place}", person(model), told, bars))
    title = "The ten most frequent words"
    missing = "" if drawings else SKIPPED.format("unigrams")
    tables = (table, *part_tables(rows, models)) if drawings else ()
    tables = tuple(replace(one, columns=tuple(map(person, models))) for one in tables)
    return Exhibit("figure-4", title, "Share of all words.", (), tuple(drawings), missing, folded=tables)


def part_tables(rows: Sequence[Row], models: Sequence[str]) -> list[Table]:
    """The most frequent words of each part of speech."""
    parts = dict.fromkeys(row.name.split(":")[1] for row in rows if row.name.startswith(PARTS))
    made = []
    for part in parts:
        start = f"{PARTS}{part}:"
        own = [
            replace(row, name=f"unigram_share:{row.name.removeprefix(start)}")
            for row in rows
            if row.name.startswith(start)
        ]
        name = {"function": "function words"}.get(part, f"{part}s")
        made.append(replace(unigram_table(own, models), key=f"unigrams-{part}", caption=f"The most frequent {name}"))
    return made


def others(rows: Sequence[Row], models: Sequence[str]) -> list[Exhibit]:
    """Measures that no other table shows."""
    claimed = (*paper.METRICS, *STATISTICS, *CHAIR, "reward_hacking")
    rest = {
        row.name: row.name.replace("_", " ")
        for row in rows
        if row.name not in claimed and not row.name.startswith((*CLAIMED, *UNSHOWN, "perplexity"))
    }
    asked = [row for row in rows if row.name.startswith("unscored:") and row.value]
    rest |= {row.name: f"Captions {row.name.split(':', 1)[1]} could not score" for row in asked}
    changes = dict.fromkeys(row.name for row in rows if row.name.startswith("score_difference:"))
    rest |= {name: f"Score by {name.split(':', 1)[1]}: change from {models[0]}, same images" for name in changes}
    table = measures_down("other", "Other measures", rest, rows, models)
    return [Exhibit("other", "Other measures", folded=(table,))] if table.lines else []
