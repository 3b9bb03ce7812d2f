"""Perplexity of the captions under a trigram model of human captions.

Sums over all captions of a dump, with L the base-10 log-probability, W words, O words outside the model's vocabulary
(OOV) and S captions, each of which has an end </s> to predict too:

    perplexity            10 ** (-L(known words and ends) / (W - O + S))    SRILM's `ppl`: OOVs left out, counted apart
    perplexity_with_oov   10 ** (-L(all words and ends) / (W + S))          KenLM's: an OOV costs what <unk> costs
    perplexity_caption    mean over captions of the first formula within a caption, S = 1; long tails weigh heavily
    oov_words             O / W

Intervals resample captions: sums of L and of predicted tokens are drawn together.  The model is made by `ngram_lm` from
tokenised captions and kept as an ARPA file in the cache folder, under a hash of them.
"""

import json
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import kenlm
import numpy as np

from analysis.context import Context
from analysis.ngram_lm import FALLBACK, arpa_lines, estimate
from analysis.results import Row, row
from probing_vlp.data.text import tokenize
from probing_vlp.dump import CaptionDump
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, read_bytes
from probing_vlp.stats import Estimate, bootstrap_mean, bootstrap_ratio

ESTIMATOR = "modified Kneser-Ney trigram 1"  # part of the cache key: raise the number when estimates change


class LanguageModel(NamedTuple):
    """A KenLM model and what is to be said about its estimate."""

    model: Any
    note: str


def measure(dump: CaptionDump, context: Context) -> list[Row]:
    """perplexity, perplexity_with_oov, perplexity_caption and oov_words of a dump."""
    language_model = context.once("language model", lambda: language_model_of(context.corpus(), context.cache))
    sums = token_sums(language_model.model, [tokenize(record.caption) for record in dump.records])
    known, unknown, words, oov = sums.T
    predicted = words - oov + 1
    source = f"analysis.ngram_lm, kenlm {version('kenlm')}"
    left_out = f"{int(oov.sum())} OOV words of {int(words.sum())} left out; {language_model.note}"

    def ratio(name: str, top: np.ndarray, bottom: np.ndarray) -> Estimate:
        return bootstrap_ratio(top, bottom, context.generator(name), context.draws)

    def perplexity(name: str, logs: np.ndarray, tokens: np.ndarray, note: str) -> Row:
        return row(name, dump.name, _powers(ratio(name, -logs, tokens)), "perplexity", source, note)

    with np.errstate(over="ignore"):
        each = bootstrap_mean(10.0 ** (-known / predicted), context.generator("perplexity_caption"), context.draws)
    return [
        perplexity("perplexity", known, predicted, left_out),
        perplexity("perplexity_with_oov", known + unknown, words + 1, language_model.note),
        row("perplexity_caption", dump.name, each, "perplexity", source, "mean over captions; " + left_out),
        row("oov_words", dump.name, ratio("oov_words", oov, words), "share of words", source),
    ]


def token_sums(model: Any, captions: Sequence[Sequence[str]]) -> np.ndarray:
    """(n, 4): log10-probability of known words and the end, of unknown words; number of words, of unknown words."""
    sums = np.zeros((len(captions), 4))
    for i, tokens in enumerate(captions):
        for log, _, unknown in model.full_scores(" ".join(tokens), bos=True, eos=True):
            sums[i, int(unknown)] += log
            sums[i, 3] += unknown
        sums[i, 2] = len(tokens)
    return sums


def language_model_of(captions: Sequence[str], cache: Path) -> LanguageModel:
    """The trigram model of raw captions, from the cache folder or estimated now and kept there."""
    sentences = [tokenize(caption) for caption in captions]
    text = "\n".join([ESTIMATOR, *map(" ".join, sentences)])
    path = cache / f"trigram-{sha256(text.encode()).hexdigest()[:16]}.arpa"
    about = path.with_suffix(".json")
    if not (path.exists() and about.exists()):
        model = estimate(sentences)
        facts = {
            "captions": len(sentences),
            "ngrams": [len(order.prob) for order in model.orders],
            "discounts": model.discounts,
            "fallback": model.fallback,
        }
        try:
            atomic_write(about, json.dumps(facts).encode())
            atomic_write(path, "".join(arpa_lines(model)).encode())
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            raise UserError(
                f"{cache}: cannot keep the language model there ({error.strerror}); name another folder in "
                "the environment variable PROBING_VLP_CACHE"
            ) from None
    return LanguageModel(load_arpa(path), _note(about))


def load_arpa(path: Path) -> Any:
    """A KenLM model; UserError if the file is damaged."""
    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    try:
        return kenlm.Model(str(path), config)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[-200:]
        raise UserError(f"{path}: damaged language model ({reason}); delete it, it is made again") from None


def _note(about: Path) -> str:
    try:
        fact = json.loads(read_bytes(about, "description of a language model", "run the same command again"))
        orders = " and ".join(map(str, fact["fallback"]))
        return f"corpus of {fact['captions']:,} captions" + (
            f", too small for Kneser-Ney discounts: orders {orders} take {FALLBACK}" if orders else ""
        )
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{about}: damaged; delete it, it is made again") from None


def _powers(exponent: Estimate) -> Estimate:
    value, low, high = (10.0**x for x in exponent[:3])
    return Estimate(value, low, high, exponent.n)
