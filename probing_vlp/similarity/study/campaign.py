"""All measurements of a run: extraction, bases of words, scores against every target, rows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.rdms import Rdms, some
from probing_vlp.similarity.distances.readers import read_words
from probing_vlp.similarity.encoders import has_twin
from probing_vlp.similarity.encoders.caching import default_cache
from probing_vlp.similarity.encoders.extraction import extract
from probing_vlp.similarity.encoders.layers import FEWEST, MODES
from probing_vlp.similarity.study import contrasts
from probing_vlp.similarity.study.contrasts import Panel
from probing_vlp.similarity.study.keeping import kept_scores
from probing_vlp.similarity.study.options import SimilarityConfig
from probing_vlp.similarity.study.rows import Row, Rows, adjusted
from probing_vlp.similarity.study.scoring import Base, Plan, Space
from probing_vlp.similarity.study.targets import Target, default_ratings, load_targets
from probing_vlp.similarity.words.stimuli import HALVES, Stimuli, load_words
from probing_vlp.similarity.words.templates import ANY, Filled, Template, fill, read_templates, shipped

SHARED_TEMPLATES = "caption-like-shared"
SHARED = "shared"
"""The subset of words that all models know."""
KNOWN = 0.9
"""A model that knows this part of the words is scored on `all`, which is then what these models know."""


@dataclass(frozen=True)
class Findings:
    """All that a report is made from."""

    config: SimilarityConfig
    stimuli: Stimuli
    targets: Sequence[Target]
    spaces: Sequence[Space]
    panels: Sequence[Panel]
    rows: Rows
    joins: Sequence[tuple[str, str]]
    """(source, what became of its words)."""
    experiential: str

    @property
    def main(self) -> str:
        """The subset on which all models can be compared."""
        names = [panel.base.name for panel in self.panels]
        return SHARED if SHARED in names else "all"

    @property
    def models(self) -> list[str]:
        """Labels in the order of the config."""
        return list(self.config.models)

    @property
    def condition(self) -> str:
        """The main condition: neutral, as in the paper, or the first."""
        return "neutral" if "neutral" in self.config.conditions else self.config.conditions[0]


def measure(config: SimilarityConfig) -> Findings:
    """Everything but the files."""
    stimuli = load_words(config.words)
    targets = _targets(config, stimuli)
    sentences = {condition: _sentences(config, stimuli, condition) for condition in config.conditions}
    plans = [_plan(config, mode) for mode in config.layer_modes]
    spaces = list(_extract_all(config, sentences))
    bases, joins = _bases(config, stimuli, spaces)
    experiential = _experiential(config, targets)
    panels = []
    with _one_thread(), _progress("scoring", len(plans) * len(bases) * len(targets)) as step:
        for plan in plans:
            for base in bases:
                inside = [space for space in spaces if set(base.words) <= set(space.extracted.words)]
                for target in targets:
                    step(f"{target.name}, {base.name}, {plan.layer_mode}")
                    panels.append(_panel(config, inside, target, base, plan, experiential))
        rows = [row for panel in panels for row in contrasts.panel_rows(panel)]
        rows += contrasts.target_rows(targets, {k: v for base in bases for k, v in base.subsets.items()}, plans[0])
    joins += [(target.name, target.report) for target in targets]
    name = experiential.name if experiential else ""
    return Findings(config, stimuli, targets, spaces, panels, Rows(adjusted(_once(rows))), joins, name)


def _targets(config: SimilarityConfig, stimuli: Stimuli) -> list[Target]:
    ratings = "" if config.ratings == "none" else config.ratings or default_ratings()
    names = read_words(config.brain_words) if config.brain_words else None
    return load_targets(stimuli, config.targets, ratings, config.brain, names, config.drop)


def _plan(config: SimilarityConfig, mode: str) -> Plan:
    if mode not in MODES:
        raise UserError(f"layer mode '{mode}' is not one of {', '.join(MODES)}")
    return Plan(mode, config.layer, config.splits, config.bootstrap, config.permutations, config.seed)


def _sentences(config: SimilarityConfig, stimuli: Stimuli, condition: str) -> list[Filled]:
    templates = read_templates(config.templates) if config.templates else shipped()
    if condition == SHARED_TEMPLATES and condition not in {one.condition for one in templates}:
        templates = shared_templates(templates)
    return fill(stimuli, condition, config.article, templates)


def shared_templates(templates: Sequence[Template]) -> tuple[Template, ...]:
    """The first caption-like sentence of every category, for all words: they tell nothing of a word's category."""
    first: dict[str, str] = {}
    for one in templates:
        if one.condition == "caption-like":
            first.setdefault(one.category, one.text)
    return tuple(Template(SHARED_TEMPLATES, ANY, text) for text in first.values())


def _extract_all(config: SimilarityConfig, sentences: Mapping[str, Sequence[Filled]]) -> Iterator[Space]:
    jobs = [
        (label, spec, condition, seed)
        for label, spec in config.models.items()
        for condition in config.conditions
        for seed in (None, *(range(1, config.untrained + 1) if has_twin(spec) else ()))
    ]
    with _progress("extracting", len(jobs)) as step:
        for label, spec, condition, seed in jobs:
            step(f"{label}, {condition}{'' if seed is None else f', untrained {seed}'}")
            found = extract(
                spec,
                sentences[condition],
                config.cache or default_cache(),
                seed,
                config.include_special,
                config.batch_size,
                "leave-out",
                config.device,
            )
            yield Space(label, condition, seed, found)


def _bases(
    config: SimilarityConfig, stimuli: Stimuli, spaces: Sequence[Space]
) -> tuple[list[Base], list[tuple[str, str]]]:
    """Words that nearly all models know with their subsets, words that every model knows; what each model lacks."""
    known = {model: set(stimuli.words) for model in config.models}
    for space in spaces:
        known[space.model] &= set(space.extracted.words)
    joins = []
    for model, words in known.items():
        lacking = [word for word in stimuli.words if word not in words]
        joins.append(
            (model, f"does not know {len(lacking)} words: {some(lacking, 40)}" if lacking else "knows all words")
        )
    wide = [words for words in known.values() if len(words) >= KNOWN * len(stimuli.words)]
    everyone = set(stimuli.words).intersection(*known.values())
    most = set(stimuli.words).intersection(*wide) if wide else everyone
    bases = [Base("all", tuple(sorted(most)), _subsets(config, stimuli.only(most)))]
    if len(everyone) < len(most):
        if len(everyone) >= FEWEST:
            bases.append(Base(SHARED, tuple(sorted(everyone)), {SHARED: tuple(sorted(everyone))}))
        else:
            joins.append(("all models", f"share {len(everyone)} words, {FEWEST} are needed: they are not compared"))
    elif len(everyone) < FEWEST:
        raise UserError(f"the models share {len(everyone)} of the words, {FEWEST} or more are needed")
    return bases, joins


def _subsets(config: SimilarityConfig, stimuli: Stimuli) -> dict[str, tuple[str, ...]]:
    """Alphabetical words by the name of the subset."""
    categories = tuple(dict.fromkeys(stimuli.categories))
    halves = [half for half, members in HALVES.items() if set(members) & set(categories)]
    names = config.subsets or ["all", *halves, *categories]
    return {name: tuple(sorted(stimuli.of(name).words)) for name in dict.fromkeys(["all", *names])}


def _experiential(config: SimilarityConfig, targets: Sequence[Target]) -> Target | None:
    if config.experiential == "none":
        return None
    by_name = {target.name: target for target in targets}
    if config.experiential and config.experiential not in by_name:
        raise UserError(f"--experiential {config.experiential}: no such target; there are {', '.join(by_name)}")
    ratings = [target for target in targets if target.experiential]
    return by_name.get(config.experiential) or by_name.get("attributes") or (ratings[0] if ratings else None)


def _panel(
    config: SimilarityConfig,
    spaces: Sequence[Space],
    target: Target,
    base: Base,
    plan: Plan,
    experiential: Target | None,
) -> Panel:
    control: Rdms | None = None
    if experiential is not None and experiential.name != target.name:
        taken = experiential.rdms.mean()
        control = Rdms(taken.words, taken.dissimilarities, taken.participants, experiential.name)
    counterparts = {model: other for model, other in config.counterparts.items() if other in config.models}
    scored = kept_scores(config.out / "scores", spaces, target, base, plan, control, counterparts)
    return Panel(base, target, plan.layer_mode, scored)


def _once(rows: Sequence[Row]) -> list[Row]:
    """Without the layer profiles that several layer modes repeat."""
    return list(dict.fromkeys(rows))


@contextmanager
def _progress(what: str, total: int) -> Iterator[Any]:
    """A bar, and the function that names the next step."""
    columns = (TextColumn(f"{what} {{task.description}}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("", total=total)
        started = False

        def step(name: str) -> None:
            nonlocal started
            progress.update(task, advance=1 if started else 0, description=name)
            started = True

        yield step
        progress.update(task, completed=total, description="")


@contextmanager
def _one_thread() -> Iterator[None]:
    """Small matrix products lose more by waiting for each other's threads than they gain."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
