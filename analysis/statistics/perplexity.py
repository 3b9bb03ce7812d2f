"""Perplexity of the captions under a trigram model of human captions (Ma et al. 2023 section 4.1, table 4).

Sums over all captions of a dump, with L the base-10 log-probability, W words, O words outside the model's vocabulary
(OOV) and S captions, each of which has an end </s> to predict too:

    perplexity            10 ** (-L(known words and ends) / (W - O + S))    SRILM's `ppl`: OOVs left out, counted apart
    perplexity_with_oov   10 ** (-L(all words and ends) / (W + S))          KenLM's: an OOV costs what <unk> costs
    perplexity_caption    mean over captions of the first formula within a caption, S = 1; long tails weigh heavily
    oov_words             O / W

An empty caption, or one of punctuation alone, has its end to predict and nothing else.  Words of another script are
OOV words.  Intervals resample captions: sums of L and of predicted tokens are drawn together.

The paper trained SRILM's trigram on "the MSCOCO corpus" and says neither which captions, nor how they were tokenised or
smoothed, nor which of SRILM's two perplexities it prints; ours are those of train2014 (`language_model`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.context import Context
from analysis.ratios import CAPTIONS, Ratio, powers, ratio_rows, totals
from analysis.reading import Reading, columns_of, readings
from analysis.statistics.language_model import kenlm_name, language_model
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.results import Row


def ratios() -> dict[str, Ratio]:
    """The three perplexities, and the share of unknown words."""
    source = f"analysis.statistics.perplexity, {kenlm_name()}"
    return {
        "perplexity": Ratio("surprisal", "predicted", "perplexity", source, base=10.0),
        "perplexity_with_oov": Ratio("surprisal_with_oov", "predicted_with_oov", "perplexity", source, base=10.0),
        "perplexity_caption": Ratio("perplexity", CAPTIONS, "perplexity", source),
        "oov_words": Ratio("oov", "words", "share of words", source),
    }


def columns(captions: Sequence[Reading], context: Context) -> Mapping[str, np.ndarray]:
    """Surprisals (-L), predicted tokens, perplexity, words and unknown words of each caption."""
    known, unknown, words, oov = token_sums(language_model(context).model, [each.words for each in captions]).T
    predicted = words - oov + 1
    return {
        "surprisal": -known,
        "predicted": predicted,
        "surprisal_with_oov": -(known + unknown),
        "predicted_with_oov": words + 1,
        "perplexity": powers(-known / predicted, 10.0),
        "words": words,
        "oov": oov,
    }


def facts(context: Context) -> dict[str, str]:
    """The language model, by a name of its own and in words."""
    found = language_model(context)
    return {"language model": found.name, "about it": found.note}


def notes(sums: Mapping[str, tuple[float, float]], known: Mapping[str, str]) -> dict[str, str]:
    """What the rows say: OOV words left out, and of what the model was made."""
    oov, words = sums["oov_words"]
    left_out = f"{int(oov)} OOV words of {int(words)} left out; {known['about it']}"
    return {
        "perplexity": left_out,
        "perplexity_with_oov": known["about it"],
        "perplexity_caption": f"mean over captions; {left_out}",
    }


def measure(dump: CaptionDump, context: Context) -> list[Row]:
    """perplexity, perplexity_with_oov, perplexity_caption and oov_words of a dump."""
    found = columns_of(columns, readings(dump, context), context)
    said = notes(totals(ratios(), found), facts(context))
    return ratio_rows(ratios(), found, dump.name, context, said)


def token_sums(model: Any, captions: Sequence[Sequence[str]]) -> np.ndarray:
    """(n, 4): log10-probability of known words and the end, of unknown words; number of words, of unknown words."""
    sums = np.zeros((len(captions), 4))
    for i, tokens in enumerate(captions):
        for log, _, unknown in model.full_scores(" ".join(tokens), bos=True, eos=True):
            sums[i, int(unknown)] += log
            sums[i, 3] += unknown
        sums[i, 2] = len(tokens)
    return sums
