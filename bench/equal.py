"""Whether both sides compute the same: loss, captions, log-probabilities, scores and gradient."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.timing import Remote

TIE = 1e-4
"""Nats: two captions whose likelihoods differ by less are equally good to float32, and either may win."""


@dataclass(frozen=True)
class Check:
    """One equality: `error` must not exceed `limit`."""

    name: str
    error: float
    limit: float
    note: str

    @property
    def passed(self) -> bool:
        """Whether it holds (not for NaN)."""
        return self.error <= self.limit

    def row(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "passed": self.passed}


def check_all(ours: Remote, peer: Remote, captions: int, greedy_images: int, beam_images: int) -> list[Check]:
    """All five, in turn."""
    return [
        _loss(ours, peer),
        *_greedy(ours, peer, greedy_images),
        *_beam(ours, peer, beam_images),
        _cider(ours, peer, captions),
        _gradient(ours, peer),
    ]


def _loss(ours: Remote, peer: Remote, batch: int = 64) -> Check:
    a, b = ours.call("ce_loss", batch), peer.call("ce_loss", batch)
    return Check(
        "cross-entropy without dropout", abs(a - b) / abs(b), 1e-5, f"relative; {a:.6f} and {b:.6f} nats a token"
    )


def _greedy(ours: Remote, peer: Remote, images: int) -> list[Check]:
    (a, a_logprob), (b, b_logprob) = (
        ours.call("captions", images, "greedy", 64),
        peer.call("captions", images, "greedy", 64),
    )
    other = np.flatnonzero((a != b).any(1))
    gaps = [abs(peer.call("gap", int(i), a[i])) for i in other]
    return [
        Check("greedy captions", max(gaps, default=0.0), TIE, _share(images, len(other), "where two words tie")),
        _logprobs("greedy log-probabilities", a_logprob, b_logprob, other),
    ]


def _beam(ours: Remote, peer: Remote, images: int) -> list[Check]:
    (a, a_logprob), (b, b_logprob) = (
        ours.call("captions", images, "beam", 10),
        peer.call("captions", images, "beam", 10),
    )
    other = np.flatnonzero((a != b).any(1))
    gap = float(np.abs(a_logprob - b_logprob)[other].max(initial=0))
    return [
        Check("beam-5 captions", gap, TIE, _share(images, len(other), "of the same likelihood")),
        _logprobs("beam-5 log-probabilities", a_logprob, b_logprob, other),
    ]


def _share(images: int, other: int, how: str) -> str:
    return f"{images - other} of {images} the same" + (f"; the rest must differ {how}, in nats" if other else "")


def _logprobs(name: str, a: np.ndarray, b: np.ndarray, other: np.ndarray) -> Check:
    same = np.setdiff1d(np.arange(len(a)), other)
    return Check(name, float(np.abs(a - b)[same].max(initial=0)), 1e-4, "nats, of the captions that are the same")


def _cider(ours: Remote, peer: Remote, captions: int) -> Check:
    a, b = ours.call("cider_scores", captions), peer.call("cider_scores", captions)
    return Check("CIDEr-D", float(np.abs(a - b).max()), 1e-6, f"of {captions} captions, mean {b.mean():.4f}")


def _gradient(ours: Remote, peer: Remote, batch: int = 10) -> Check:
    words, advantage, theirs = peer.call("policy_gradient", batch)
    mine = ours.call("policy_gradient", words, advantage, batch)
    errors = {name: float(np.linalg.norm(mine[name] - g) / np.linalg.norm(g)) for name, g in theirs.items()}
    worst = max(errors, key=lambda name: errors[name])
    return Check(
        "self-critical gradient", errors[worst], 1e-4, f"relative norm, worst of {len(errors)} tensors ({worst})"
    )
