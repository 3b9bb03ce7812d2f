"""What rose and what it cost, in sentences and in panels, below the headline of a report."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from analysis.report.charts import Dot, dot_chart
from probing_vlp.pages.drawing import Drawing
from probing_vlp.pages.results import Row
from probing_vlp.pages.wording import interval, listing, number


class Panel(NamedTuple):
    """One chart and its heading."""

    title: str
    chart: Drawing


COSTS = {
    "perplexity": "perplexity from {} to {}",
    "length": "captions from {} to {} words",
    "nouns": "nouns from {} to {} a caption",
    "CIDEr": "CIDEr from {} to {}",
}
PANELS = {
    "CIDEr": "CIDEr against human captions",
    "perplexity": "Perplexity of the captions",
    "length": "Words a caption",
    "nouns": "Nouns a caption",
    "distinct_nouns": "Distinct nouns a caption",
}


def answers(rows: Sequence[Row], models: Sequence[str], rewards: Mapping[str, Sequence[str]], main: str) -> list[str]:
    """One sentence for each dump after the first; for a single dump one sentence on it.

    `rewards` names the scorers that each dump was trained to please; where there are none, `main` is the judge.
    """
    values = {(row.name, row.model): row for row in rows if row.value is not None}
    if len(models) == 1:
        return [_single(values, models[0], next(iter(rewards[models[0]]), main))]
    return [_change(values, models, model, rewards[model], main) for model in models[1:]]


def _single(values: Mapping[tuple[str, str], Row], model: str, scorer: str) -> str:
    score = values.get((f"score:{scorer}", model))
    parts = [f"{scorer} scores them {_value(score)} on average{_span(score)}"] if score else []
    single = {
        "perplexity": "their perplexity is {}",
        "length": "they have {} words",
        "nouns": "they name {} nouns",
        "CIDEr": "their CIDEr is {}",
    }
    parts += [text.format(_value(row)) for name, text in single.items() if (row := values.get((name, model)))]
    return f"The captions of {model}: {listing(parts)}." if parts else f"The captions of {model} could not be measured."


def _change(
    values: Mapping[tuple[str, str], Row], models: Sequence[str], model: str, rewards: Sequence[str], main: str
) -> str:
    first, scorer = models[0], next(iter(rewards), main)
    start, score = (values.get((f"score:{scorer}", of)) for of in (first, model))
    gain = values.get((f"score_difference:{scorer}", model))
    costs = listing(
        [
            text.format(_value(before), _value(after))
            for name, text in COSTS.items()
            if (before := values.get((name, first))) and (after := values.get((name, model)))
        ]
    )
    costs = costs.replace(" from", " went from", 1)
    if not (score and start and gain):
        return f"From {first} to {model}, {costs}." if costs else f"{first} and {model} share no measure."
    opening = f"From {first} to {model}, the mean score by {scorer}"
    if rewards:
        label = f" ({model})" if len(models) > 2 and [model] != list(rewards) else ""
        owner = "its" if len(rewards) == 1 else f"{scorer}'s"
        opening = f"After SCST with {listing(rewards)}{label}, {owner} mean score"
    return f"{opening} {_moved(gain, start, score)}" + (f", while {costs}." if costs else ".")


def _moved(gain: Row, start: Row, score: Row) -> str:
    """ "rose from 0.387 to 0.402 (95% interval of the paired difference 0.012 to 0.018, n = 170)"."""
    ends = f"from {_value(start)} to {_value(score)}"
    if gain.ci_low is None or gain.ci_high is None:
        return f"went {ends} (n = {gain.n:,})"
    verb = "rose" if gain.ci_low > 0 else "fell" if gain.ci_high < 0 else "did not change beyond chance,"
    span = interval(gain.ci_low, gain.ci_high)
    return f"{verb} {ends} (95% interval of the paired difference {span}, n = {gain.n:,})"


def _value(row: Row | None) -> str:
    return number(row.value) if row and row.value is not None else "–"


def _span(row: Row) -> str:
    return (
        f" (95% interval {interval(row.ci_low, row.ci_high)}, n = {row.n:,})"
        if row.ci_low is not None and row.ci_high is not None
        else ""
    )


def panels(rows: Sequence[Row], models: Sequence[str], scorers: Sequence[str]) -> list[Panel]:
    """A dot chart for the score of each of `scorers` and for what it cost; measures without values are left out."""
    titles = {f"score:{scorer}": f"Mean score by {scorer}" for scorer in scorers} | PANELS
    found = {(row.name, row.model): row for row in rows if row.value is not None}
    made = []
    for place, (name, title) in enumerate(titles.items()):
        dots = [
            Dot(model, series, row.value, row.ci_low, row.ci_high)
            for series, model in enumerate(models)
            if (row := found.get((name, model))) and row.value is not None
        ]
        if dots:
            told = "; ".join(f"{dot.label} {number(dot.value)}" for dot in dots)
            made.append(Panel(title, dot_chart(f"panel{place}", title, told, dots)))
    return made
