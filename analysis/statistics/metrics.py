"""Caption metrics against the human captions: BLEU-1..4, METEOR, ROUGE-L, CIDEr, SPICE, by pycocoevalcap's own scorers.

Values are pycocoevalcap's corpus values, on a scale where 1 is a perfect score (CIDEr: 10), over its PTB tokens; each
scorer is called by itself, since its bundle makes SPICE and fails where that cannot be had.  Intervals resample images:

- BLEU and METEOR are ratios of corpus sums, not means over images, so each draw sums the images' sufficient statistics
  (BLEU: clipped matches and n-grams of each order, lengths; METEOR: the 23 counts its Java program returns) and
  computes the score of the sums.  "METEOR_image" is the mean of the images' own METEOR scores, a different number.
- ROUGE-L, CIDEr and SPICE are means over images.  CIDEr's document frequencies are those of the dump's images, and stay
  fixed over draws: a dump of other images is on another scale.

Without Java the words come from `data.text.tokenize`, and every row says so; METEOR and SPICE are then unavailable.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

import numpy as np
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from analysis.context import Context, one_caption_per_image
from analysis.statistics import java
from probing_vlp.data.text import tokenize
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.results import Row, row, unavailable
from probing_vlp.stats import Estimate, bootstrap_mean

UNITS = {"CIDEr": "score 0-10"}
UNIT = "score 0-1"
BLEU_ORDER = 4


def measure(dump: CaptionDump, context: Context) -> list[Row]:
    """BLEU-1 to BLEU-4, METEOR, METEOR_image, ROUGE-L, CIDEr and SPICE of a dump with one caption an image."""
    records = one_caption_per_image(dump, context.references)
    if "METEOR" not in context.without:
        with contextlib.suppress(java.JavaError):  # it is said where METEOR is measured
            java.start_meteor()
    references, captions, note = tokenised(
        {record.image_id: (*context.references[record.image_id], record.caption) for record in records}
    )
    rows = []
    for metric, (names, scorer) in SCORERS.items():
        if metric in context.without:
            continue
        try:
            estimates = scorer(references, captions, context)
            rows += [
                row(name, dump.name, estimate, UNITS.get(name, UNIT), _source(), note)
                for name, estimate in zip(names, estimates, strict=True)
            ]
        except java.JavaError as error:
            rows += [unavailable(name, dump.name, UNIT, _source(), str(error), len(records)) for name in names]
    return rows


def tokenised(texts: Mapping[int, Sequence[str]]) -> tuple[java.Texts, java.Texts, str]:
    """References and caption of each image, the caption the last of its `texts`; and a note where Java was missing."""
    try:
        words, note = java.ptb_tokenize(texts), ""
    except java.JavaError as error:
        words = {key: [" ".join(tokenize(text)) for text in every] for key, every in texts.items()}
        note = f"words by probing_vlp.data.text instead of the PTB tokenizer: {error}"
    return ({key: every[:-1] for key, every in words.items()}, {key: every[-1:] for key, every in words.items()}, note)


def bleu(references: java.Texts, captions: java.Texts, context: Context) -> list[Estimate]:
    """BLEU-1 to BLEU-4 with the closest reference length."""
    scorer = BleuScorer(n=BLEU_ORDER)
    for key, (caption,) in captions.items():
        scorer += (caption, references[key])
    values, _ = scorer.compute_score(option="closest", verbose=0)
    statistics = np.array(
        [
            [
                *image["correct"],
                *image["guess"],
                image["testlen"],
                min((abs(length - image["testlen"]), length) for length in image["reflen"])[1],
            ]
            for image in scorer.ctest
        ],
        float,
    )
    return _bootstrap_sums(values, statistics, bleu_of_sums, context.generator("BLEU"), context.draws)


def bleu_of_sums(sums: np.ndarray) -> np.ndarray:
    """(..., 4) BLEU-1..4 of summed statistics (..., 10): matches x 4, n-grams x 4, lengths of caption and reference."""
    matches, ngrams, length, closest = sums[..., :4], sums[..., 4:8], sums[..., 8:9], sums[..., 9:]
    # pycocoevalcap's guards against zero counts: a BLEU without any match is tiny, not zero
    logs = np.cumsum(np.log((matches + 1e-15) / (ngrams + 1e-9)), axis=-1) / np.arange(1, BLEU_ORDER + 1)
    return np.exp(logs + np.minimum(0.0, 1 - (closest + 1e-9) / (length + 1e-15)))


def meteor(references: java.Texts, captions: java.Texts, context: Context) -> list[Estimate]:
    """METEOR of the corpus and the mean over images."""
    scores = java.meteor(references, captions)
    generator = context.generator("METEOR")
    statistics = without_perfect_chunks(scores.statistics)
    corpus = _bootstrap_sums([scores.corpus], statistics, meteor_of_sums, generator, context.draws)
    return [*corpus, bootstrap_mean(scores.images, context.generator("METEOR"), context.draws)]


def without_perfect_chunks(statistics: np.ndarray) -> np.ndarray:
    """Statistics (n, 23) to be summed: a caption that matches its reference whole, in one chunk, adds no chunk."""
    words, matched = statistics[:, 0:2], statistics[:, 21:23]
    summed = statistics.copy()
    summed[(statistics[:, 20] == 1) & (matched == words).all(1), 20] = 0
    return summed


def meteor_of_sums(sums: np.ndarray) -> np.ndarray:
    """(..., 1) METEOR 1.5 for English (alpha 0.85, beta 0.2, gamma 0.6, delta 0.75) of summed statistics (..., 23).

    Columns: words of caption and reference, function words of both; for each of exact, stem, synonym and paraphrase
    matches the content words of both and the function words of both; chunks; matched words of both.
    """
    delta, weights = 0.75, np.repeat([1.0, 0.6, 0.8, 0.6], 4)
    share = np.tile([delta, delta, 1 - delta, 1 - delta], 4) * weights
    words, function, matched = sums[..., 0:2], sums[..., 2:4], sums[..., 21:23]
    weighted = (sums[..., 4:20] * share).reshape(*sums.shape[:-1], 8, 2).sum(-2)
    total = delta * (words - function) + (1 - delta) * function
    precision, recall = np.moveaxis(weighted / np.maximum(total, 1e-15), -1, 0)
    mean = precision * recall / np.maximum(0.85 * precision + 0.15 * recall, 1e-15)
    chunks, average = sums[..., 20], matched.mean(-1)
    whole = (chunks == 1) & (matched == words).all(-1)
    penalty = np.where(whole, 0.0, 0.6 * (chunks / np.maximum(average, 1)) ** 0.2)
    return (mean * (1 - penalty))[..., None]


def rouge_l(references: java.Texts, captions: java.Texts, context: Context) -> list[Estimate]:
    """ROUGE-L, the mean over images."""
    _, images = Rouge().compute_score(references, captions)
    return [bootstrap_mean(images, context.generator("ROUGE-L"), context.draws)]


def cider(references: java.Texts, captions: java.Texts, context: Context) -> list[Estimate]:
    """CIDEr, the mean over images."""
    _, images = Cider().compute_score(references, captions)
    return [bootstrap_mean(images, context.generator("CIDEr"), context.draws)]


def spice(references: java.Texts, captions: java.Texts, context: Context) -> list[Estimate]:
    """SPICE, the mean over images."""
    return [bootstrap_mean(java.spice(references, captions), context.generator("SPICE"), context.draws)]


Metric = Callable[[java.Texts, java.Texts, Context], list[Estimate]]
SCORERS: dict[str, tuple[tuple[str, ...], Metric]] = {
    "BLEU": (("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4"), bleu),
    "METEOR": (("METEOR", "METEOR_image"), meteor),
    "ROUGE-L": (("ROUGE-L",), rouge_l),
    "CIDEr": (("CIDEr",), cider),
    "SPICE": (("SPICE",), spice),
}


def _bootstrap_sums(
    values: list[float],
    statistics: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    generator: np.random.Generator,
    draws: int,
) -> list[Estimate]:
    """`values` with percentile intervals of `score` over resampled sums of `statistics` (n images, k)."""
    n = len(statistics)
    if n == 1:
        return [Estimate(value, float("nan"), float("nan"), 1) for value in values]
    sums = np.stack([statistics[generator.integers(n, size=n)].sum(0) for _ in range(draws)])
    low, high = np.quantile(score(sums), [0.025, 0.975], axis=0)
    return [Estimate(float(value), float(a), float(b), n) for value, a, b in zip(values, low, high, strict=True)]


def _source() -> str:
    return f"pycocoevalcap {version('pycocoevalcap')}"
