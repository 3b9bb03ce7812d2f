"""The first screen of a report: the question, an answer computed from the result rows, and its picture."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from analysis.charts import Dot, dot_chart
from analysis.results import Row
from analysis.wording import interval, listing, number


class Panel(NamedTuple):
    """One chart and its heading."""

    title: str
    chart: Markup


COSTS = {"perplexity": "perplexity from {} to {}", "length": "captions from {} to {} words",
         "nouns": "nouns from {} to {} a caption", "CIDEr": "CIDEr from {} to {}"}
PANELS = {"CIDEr": "CIDEr against human captions", "perplexity": "Perplexity of the captions",
          "length": "Words a caption", "nouns": "Nouns a caption", "distinct_nouns": "Distinct nouns a caption"}


def question(scorers: Sequence[str]) -> str:
    """What the report asks."""
    return f"What does {listing(scorers)} take for a good caption?" if scorers else "How do these captions differ?"


def answers(rows: Sequence[Row], models: Sequence[str], rewards: Mapping[str, str], main: str) -> list[str]:
    """One sentence for each dump after the first; for a single dump one sentence on it.

    `rewards` names the scorer that each dump was trained to please, "" where there is none: those are judged by `main`.
    """
    values = {(row.name, row.model): row for row in rows if row.value is not None}
    if len(models) == 1:
        return [_single(values, models[0], rewards[models[0]] or main)]
    return [_change(values, models[0], model, rewards[model] or main, bool(rewards[model])) for model in models[1:]]


def _single(values: Mapping[tuple[str, str], Row], model: str, scorer: str) -> str:
    score = values.get((f"score:{scorer}", model))
    parts = [f"{scorer} scores them {_value(score)} on average{_span(score)}"] if score else []
    single = {"perplexity": "their perplexity is {}", "length": "they have {} words", "nouns": "they name {} nouns",
              "CIDEr": "their CIDEr is {}"}
    parts += [text.format(_value(row)) for name, text in single.items() if (row := values.get((name, model)))]
    return f"The captions of {model}: {listing(parts)}." if parts else f"The captions of {model} could not be measured."


def _change(values: Mapping[tuple[str, str], Row], first: str, model: str, scorer: str,
            is_reward: bool) -> str:
    pairs = {name: (values.get((name, first)), values.get((name, model))) for name in COSTS}
    costs = listing([text.format(_value(before), _value(after)) for name, text in COSTS.items()
                     for before, after in [pairs[name]] if before and after])
    score, start = values.get((f"score:{scorer}", model)), values.get((f"score:{scorer}", first))
    gain = values.get((f"score_difference:{scorer}", model))
    if not (score and start and gain):
        return f"From {first} to {model} {costs.replace(' from', ' went from', 1)}." if costs else \
            f"{model} and {first} share no measure."
    trained = f"After SCST with {scorer}" + (f" ({model})" if model != scorer else "")
    moved = _moved(gain).format(_value(start), _value(score))
    proof = f" (95% interval of the paired difference {interval(gain.ci_low, gain.ci_high, signed=True)}, " \
            f"n = {gain.n:,} images)" if gain.ci_low is not None and gain.ci_high is not None else f" (n = {gain.n:,})"
    cost = f", while {costs.replace(' from', ' went from', 1)}" if costs else ""
    return f"{trained if is_reward else f'From {first} to {model}'}, the mean score by {scorer} {moved}{proof}{cost}."


def _moved(gain: Row) -> str:
    if gain.ci_low is None or gain.ci_high is None or gain.ci_low <= 0 <= gain.ci_high:
        return "did not change beyond chance, from {} to {}"
    return "rose from {} to {}" if gain.ci_low > 0 else "fell from {} to {}"


def _value(row: Row | None) -> str:
    return number(row.value) if row and row.value is not None else "–"


def _span(row: Row) -> str:
    return f" (95% interval {interval(row.ci_low, row.ci_high)}, n = {row.n:,} images)" \
        if row.ci_low is not None and row.ci_high is not None else ""


def panels(rows: Sequence[Row], models: Sequence[str], scorers: Sequence[str]) -> list[Panel]:
    """A dot chart for the score of each of `scorers` and for what it cost; measures without values are left out."""
    titles = {f"score:{scorer}": f"Mean score by {scorer}" for scorer in scorers} | PANELS
    found = {(row.name, row.model): row for row in rows if row.value is not None}
    made = []
    for place, (name, title) in enumerate(titles.items()):
        dots = [Dot(model, series, row.value, row.ci_low, row.ci_high) for series, model in enumerate(models)
                if (row := found.get((name, model))) and row.value is not None]
        if dots:
            told = "; ".join(f"{dot.label} {number(dot.value)}" for dot in dots)
            made.append(Panel(title, dot_chart(f"panel{place}", title, told, dots)))
    return made
