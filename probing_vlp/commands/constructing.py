"""The captions that experiments make of a dump's, and the lines that `probe.py verify` prints of them."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from rich.progress import track

from probing_vlp.dump import CaptionDump
from probing_vlp.experiments.base import Case, Construct, build, human_cases, make_cases
from probing_vlp.experiments.pairs import Verification
from probing_vlp.experiments.summary import summarise
from probing_vlp.stats import Estimate
from probing_vlp.tagging import load_tagger

EXAMPLES = 3
"""Photographs whose captions are shown for every experiment."""


class Construction(NamedTuple):
    """What an experiment made of the captions of one base; row i belongs to image i."""

    experiment: str
    base: str
    cases: Sequence[Case]
    captions: Sequence[str | None]

    def rows(self) -> Iterator[tuple[int, str, str]]:
        """(row, original, constructed) where there is a construction."""
        for row, caption in enumerate(self.captions):
            if caption is not None:
                yield row, self.cases[row].caption, caption


def construct(
    found: CaptionDump,
    references: Mapping[int, Sequence[str]],
    bases: Sequence[str],
    chosen: Mapping[str, Construct],
    seed: int,
) -> list[Construction]:
    """Every experiment on every base.  What an experiment draws depends on the seed and its name, not on the others."""
    own = make_cases([(r.image_id, r.caption) for r in found.records], references, load_tagger())
    cases = {"dump": own, "human": human_cases(own)}
    made = []
    for base in bases:
        for name, function in track(chosen.items(), f"changing captions ({base})"):
            generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
            made.append(Construction(name, base, cases[base], build(name, function, cases[base], generator)))
    return made


def pick_examples(made: Sequence[Construction]) -> list[int]:
    """The images with most constructions, in the order of the dump."""
    counts = np.sum([[caption is not None for caption in one.captions] for one in made], axis=0)
    best = sorted(np.argsort(-counts, kind="stable")[:EXAMPLES])
    return [made[0].cases[row].image_id for row in best]


def show(verification: Verification, seed: int) -> None:
    """For each scorer a line an experiment; then, for each example photograph, what the experiments made of it."""
    groups = {f"{base}/{name}": pairs for (base, name), pairs in verification.groups().items()}
    width = max(map(len, groups), default=0)
    for scorer in verification.scorers:
        print(
            f"\n{scorer:<{width}}{'n':>7}  {'before':>7}  {'after':>7}  {'change (95%)':<27}{'wrong wins':<22}ceiling"
        )
        for name, pairs in groups.items():
            generator = np.random.default_rng([seed, zlib.crc32(f"verify:{name}".encode())])
            found = summarise(pairs, scorer, generator)
            print(
                f"{name:<{width}}{found.change.n:>7,}  {found.original.value:>7.3f}  {found.score.value:>7.3f}  "
                f"{_span(found.change, '+.3f'):<27}{_span(found.wins, '.2f'):<22}{found.ceiling:.2f}"
            )
    for image_id in verification.header["examples"]:
        print(f"\nimage {image_id}")
        for name, pairs in groups.items():
            print("\n".join(f"{name:<{width}}  {p.constructed}" for p in pairs if p.image_id == image_id))
    print()


def _span(estimate: Estimate, form: str) -> str:
    return f"{estimate.value:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"
