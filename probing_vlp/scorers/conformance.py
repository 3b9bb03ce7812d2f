"""What every scorer must do, as plain functions: each takes a `Subject` and raises an AssertionError that says what is
wrong.  `CHECKS` lists them; tests run them over every row of SCORERS, `probe.py check-scorer` over anybody's class.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from probing_vlp.errors import UserError
from probing_vlp.scorers.base import Scorer

IMAGES = 4
CAPTIONS = (
    "a black dog on a mat",
    "a cat",
    "a black dog on a mat",
    "zebra number 3, is a very long caption of two red people on a mat of a cat!",
)
"""Short and long, and with something for scorers of one thing: animals, people, colours, counts, places."""
RANGES = {"cosine": (-1.0, 1.0), "cider": (0.0, 10.0), "probability": (0.0, 1.0), "logit": (-math.inf, math.inf)}
KINDS = ("pixels", "regions", "references", "features")


@dataclass(frozen=True)
class Subject:
    """A scorer, and IMAGES visuals of the kind it asks for."""

    scorer: Any
    visuals: Sequence[Any]
    tolerance: float = 1e-5
    """How far a score may move with its neighbours, as a share of its size where that is more than one."""

    def score(self, rows: Sequence[int], captions: Sequence[str]) -> Tensor:
        """Scores of captions against the given rows of all visuals, encoded afresh."""
        scores: Tensor = self.scorer.score(self.scorer.encode(self.visuals).select(list(rows)), list(captions))
        return scores


def declared(subject: Subject) -> None:
    """name, visual and unit are declared, encode and score are there"""
    scorer = subject.scorer
    missing = [part for part in ("name", "visual", "unit", "encode", "score") if not hasattr(scorer, part)]
    assert not missing and isinstance(scorer, Scorer), f"the class has no {', '.join(missing)}"
    assert isinstance(scorer.name, str) and scorer.name, f"name is {scorer.name!r}: give it a word"
    assert scorer.visual in KINDS, f"visual is {scorer.visual!r}, not one of {', '.join(KINDS)}"
    assert scorer.unit in tuple(RANGES), f"unit is {scorer.unit!r}, not one of {', '.join(RANGES)}"


def shape(subject: Subject) -> None:
    """score() gives one float32 a caption, on the CPU"""
    scores = subject.score(range(IMAGES), CAPTIONS)
    assert isinstance(scores, Tensor), f"score() gave a {type(scores).__name__}, not a tensor"
    assert scores.shape == (IMAGES,), f"score() gave shape {tuple(scores.shape)} for {IMAGES} captions, not ({IMAGES},)"
    assert scores.dtype == torch.float32, f"score() gave {scores.dtype}, not torch.float32"
    assert scores.device.type == "cpu", f"score() left the scores on {scores.device}: return them with .cpu()"


def useless(subject: Subject) -> bool:
    """Whether score() fails, or gives no tensor of one number a caption: then no other check could say more."""
    try:
        scores = subject.score(range(IMAGES), CAPTIONS)
    except (Exception, SystemExit):
        return True
    return not isinstance(scores, Tensor) or scores.shape != (IMAGES,)


def unit_range(subject: Subject) -> None:
    """scores lie within the range of the unit, and differ"""
    low, high = RANGES[subject.scorer.unit]
    scores = subject.score(range(IMAGES), CAPTIONS).tolist()
    wrong = [score for score in scores if not low - 1e-6 <= score <= high + 1e-6]
    assert not wrong, f"{wrong[0]} is no {subject.scorer.unit} ({low} to {high})"
    assert len(set(scores)) > 1, f"every caption scored {scores[0]}: there is nothing to learn from it"


def batch_size(subject: Subject) -> None:
    """a score does not depend on what is scored beside it"""
    together = subject.score(range(IMAGES), CAPTIONS)
    alone = torch.cat([subject.score([i], [caption]) for i, caption in enumerate(CAPTIONS)])
    same(together, alone, subject, "in a batch", "alone")


def order(subject: Subject) -> None:
    """a score does not depend on its place in the batch"""
    rows = [2, 0, 3, 1]
    together = subject.score(range(IMAGES), CAPTIONS)
    shuffled = subject.score(rows, [CAPTIONS[row] for row in rows])
    same(together[rows], shuffled, subject, "in order", "shuffled")


def determinism(subject: Subject) -> None:
    """scores repeat bit for bit, and leave the random numbers of the run alone"""
    state = torch.random.get_rng_state()
    first, again = (subject.score(range(IMAGES), CAPTIONS) for _ in range(2))
    assert torch.equal(first, again), f"scored twice: {first.tolist()}, then {again.tolist()}"
    assert torch.equal(state, torch.random.get_rng_state()), "scoring draws from torch's own random numbers"


def encode_once(subject: Subject) -> None:
    """encode() then select() equals encoding the picked rows"""
    rows, captions = [1, 1, 3, 0, 1], ["a cat", "a dog", "a cat", "a cat on a mat", "a cat"]
    scorer = subject.scorer
    picked = scorer.encode(subject.visuals).select(rows)
    assert len(picked) == len(rows), f"select() of {len(rows)} rows has length {len(picked)}"
    scores = scorer.score(picked, captions)
    again = scorer.score(scorer.encode([subject.visuals[row] for row in rows]), captions)
    same(scores, again, subject, "picked after encoding", "encoded as picked")
    twice = scorer.score(picked.select([2, 0]).select([1]), ["a cat"])
    same(scores[:1], twice, subject, "picked once", "picked twice")


def joined(subject: Subject) -> None:
    """encodings of parts, joined, equal the whole (for encodings that have join)"""
    parts = [subject.scorer.encode(subject.visuals[:1]), subject.scorer.encode(subject.visuals[1:])]
    if not hasattr(parts[0], "join"):
        return
    whole = type(parts[0]).join(parts)
    assert len(whole) == IMAGES, f"join() of 1 and {IMAGES - 1} images has length {len(whole)}"
    scores = subject.scorer.score(whole, list(CAPTIONS))
    same(subject.score(range(IMAGES), CAPTIONS), scores, subject, "encoded together", "joined from parts")


def blank(subject: Subject) -> None:
    """a blank caption is NaN (or scored, if the class says scores_blank) and leaves its neighbours alone"""
    scores = subject.score(range(IMAGES), ["a dog", "", " ", "a cat"])
    unscored = torch.isnan(scores).tolist()
    assert not unscored[0] and not unscored[3], "a blank caption made its neighbours NaN"
    if getattr(subject.scorer, "scores_blank", False):
        assert not any(unscored), "scores_blank is declared, but a blank caption is NaN"
    else:
        assert unscored[1] and unscored[2], f"blank captions scored {scores[1:3].tolist()}; they must be NaN"
    same(scores[[0, 3]], subject.score([0, 3], ["a dog", "a cat"]), subject, "beside blanks", "without them")


def long_caption(subject: Subject) -> None:
    """a caption of 10,000 characters is scored"""
    scores = subject.score([0, 1], ["a dog on a mat " * 667, "a cat"])
    assert not torch.isnan(scores).any(), "a caption of 10,000 characters made a score NaN"


def nothing(subject: Subject) -> None:
    """no images and no captions give no scores"""
    scores = subject.score([], [])
    assert scores.shape == (0,), f"no captions gave scores of shape {tuple(scores.shape)}, not (0,)"


def too_many(subject: Subject) -> None:
    """more captions than images is a ValueError"""
    try:
        scores = subject.score(range(2), CAPTIONS)
    except ValueError:
        return
    raise AssertionError(f"{IMAGES} captions for 2 images gave {len(scores)} scores; it must raise ValueError")


CHECKS: tuple[Callable[[Subject], None], ...] = (
    declared,
    shape,
    unit_range,
    batch_size,
    order,
    determinism,
    encode_once,
    joined,
    blank,
    long_caption,
    nothing,
    too_many,
)


def same(one: Tensor, other: Tensor, subject: Subject, here: str, there: str) -> None:
    """AssertionError that names the first score that moved more than the subject's tolerance."""
    for i, (a, b) in enumerate(zip(one.tolist(), other.tolist(), strict=True)):
        near = abs(a - b) <= subject.tolerance * max(1.0, abs(a))
        assert near or a == b or (math.isnan(a) and math.isnan(b)), f"score {i} is {a:.7g} {here}, {b:.7g} {there}"


def run_checks(subject: Subject) -> Iterator[tuple[str, str]]:
    """What each check looks at, and what it found wrong ("" if nothing); ends after `shape` where the scores are of no
    use to the others."""
    for check in CHECKS:
        wrong = _wrong(check, subject)
        yield (check.__doc__ or check.__name__).strip(), wrong
        if check is shape and wrong and useless(subject):
            return


def _wrong(check: Callable[[Subject], None], subject: Subject) -> str:
    try:
        check(subject)
    except AssertionError as error:
        return " ".join(str(error).split())
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # of somebody else's class, whatever it is
        return " ".join(f"{type(error).__name__}: {error}".split())
    return ""
