"""Vectors of words from an encoder: every layer, the mean over a word's own tokens, the mean over its sentences.

    v(word, layer) = mean over templates of mean over the word's tokens of h(layer, token)

Source: Bavaresco & Fernández (CoNLL 2025), section 3.  For a bare word the paper takes the mean over all tokens, [CLS]
and [SEP] too (`include_special`); by default only the word's own tokens count there as well, so that the conditions
differ in the sentence alone.  Deviations: float32 (theirs float16 for BERT and CLIP); the slot is the one that the
template recorded (theirs: searched); a word without tokens of its own is an error (theirs: a mean over padding).

Sentences of one length in tokens make the batches, so nothing is padded; sums run in one order whatever the batch size
and the order of the words.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from probing_vlp.errors import UserError, listed
from probing_vlp.similarity.encoders import Encoder, Tokens, load_encoder
from probing_vlp.similarity.encoders.caching import Extracted, cache_path, keep, read_cached
from probing_vlp.similarity.words.templates import Filled

Missing = Literal["error", "leave-out"]


def extract(
    spec: str | Encoder,
    filled: Sequence[Filled],
    cache_dir: Path | None = None,
    untrained_seed: int | None = None,
    include_special: bool = False,
    batch: int = 32,
    missing: Missing = "error",
    device: str = "cpu",
) -> Extracted:
    """Vectors of the words of `filled`, in the order of their first sentences; kept in `cache_dir` if there is one.

    `spec` names an encoder (of which the seed makes an untrained twin), or is one that `load_encoder` made, which need
    not be read again for another condition.
    `include_special` counts for bare words only.  A word that the encoder does not know, or has no token for, is a
    UserError; `missing="leave-out"` leaves it out and says so in `info["missing"]`.
    """
    if not filled:
        raise UserError("no words to extract")
    encoder = load_encoder(spec, untrained_seed, device) if isinstance(spec, str) else spec
    ordered = sorted(set(filled))
    pooling = "all tokens of bare words" if include_special else "the word's tokens"
    path = cache_path(cache_dir, encoder.identity, encoder.seed, pooling, ordered) if cache_dir else None
    found = read_cached(path) if path else None
    if found is None:
        found = _compute(encoder, ordered, include_special, batch, pooling)
        if path:
            keep(path, found)
    words = tuple(dict.fromkeys(one.word for one in filled))
    lacking = [word for word in words if word in found.info["missing"]]
    if lacking and (missing == "error" or len(lacking) == len(words)):
        raise UserError(_unknown(encoder.name, lacking, found.info["missing"], len(words)))
    return _renamed(found, encoder.name).only([word for word in words if word not in found.info["missing"]])


def _renamed(found: Extracted, spec: str) -> Extracted:
    """The cache knows weights, not what they were called this time."""
    return Extracted(spec, found.words, found.layers, found.vectors, found.trained, found.info)


def _unknown(spec: str, lacking: Sequence[str], sentences: dict[str, str], words: int) -> str:
    first = lacking[0]
    others = f"; {len(lacking)} of {words} words are so: {listed(lacking)}" if len(lacking) > 1 else ""
    return (
        f"encoder '{spec}' has no token for '{first}' in '{sentences[first]}'{others}; mend the word list, or leave "
        "such words out with --missing leave-out"
    )


def _compute(encoder: Encoder, ordered: Sequence[Filled], include_special: bool, batch: int, pooling: str) -> Extracted:
    """The vectors of all words that the encoder knows, in alphabetical order."""
    read = [encoder.tokens(one) for one in ordered]
    sentences = {one.word: one.text for one, tokens in zip(ordered, read, strict=True) if not _known(tokens)}
    kept = [(one, tokens) for one, tokens in zip(ordered, read, strict=True) if one.word not in sentences]
    words = tuple(dict.fromkeys(one.word for one, _ in kept))
    vectors, widths = _vectors(encoder, kept, words, include_special, batch) if kept else (np.zeros((0, 0, 0)), [])
    if not np.isfinite(vectors).all():
        layer, word, _ = np.argwhere(~np.isfinite(vectors))[0]
        raise UserError(f"{encoder.name}: '{words[word]}' has endless numbers in layer {encoder.layers[layer]}")
    info = {
        **encoder.about,
        "widths": widths,
        "pooling": pooling,
        "templates": len({one.template for one in ordered}),
        "untrained_seed": encoder.seed,
        "missing": sentences,
    }
    return Extracted(encoder.name, words, encoder.layers if kept else (), vectors, encoder.seed is None, info)


def _known(tokens: Tokens) -> bool:
    return bool(tokens.slot) and not tokens.unknown


def _vectors(
    encoder: Encoder, kept: Sequence[tuple[Filled, Tokens]], words: Sequence[str], include_special: bool, batch: int
) -> tuple[np.ndarray, list[int]]:
    """(L, W, D) float32, and the width of each layer."""
    rows = {word: row for row, word in enumerate(words)}
    sums: list[np.ndarray] = []
    counts = np.zeros(len(words))
    for chunk in _batches(kept, batch):
        ids = np.array([tokens.ids for _, tokens in chunk], np.int64)
        weights = np.stack([_weights(one, tokens, include_special) for one, tokens in chunk])
        pooled = [_pool(state, weights) for state in encoder.states(ids)]
        sums = sums or [np.zeros((len(words), each.shape[1])) for each in pooled]
        place = [rows[one.word] for one, _ in chunk]
        np.add.at(counts, place, 1)
        for total, each in zip(sums, pooled, strict=True):
            np.add.at(total, place, each)
    widths = [total.shape[1] for total in sums]
    vectors = np.zeros((len(sums), len(words), max(widths)), np.float32)
    for layer, total in enumerate(sums):
        vectors[layer, :, : widths[layer]] = total / counts[:, None]
    return vectors, widths


def _batches(kept: Sequence[tuple[Filled, Tokens]], batch: int) -> Iterator[list[tuple[Filled, Tokens]]]:
    by_length: dict[int, list[tuple[Filled, Tokens]]] = defaultdict(list)
    for pair in kept:
        by_length[len(pair[1].ids)].append(pair)
    for length in sorted(by_length):
        same = by_length[length]
        yield from (same[start : start + batch] for start in range(0, len(same), batch))


def _weights(one: Filled, tokens: Tokens, include_special: bool) -> np.ndarray:
    """(T,) float32 that sum to one."""
    bare = one.start == 0 and one.end == len(one.text)
    slot = range(len(tokens.ids)) if include_special and bare else tokens.slot
    weights = np.zeros(len(tokens.ids), np.float32)
    weights[list(slot)] = 1 / len(slot)
    return weights


def _pool(state: Any, weights: np.ndarray) -> np.ndarray:
    """(B, D) from a layer's states (B, T, D)."""
    import torch

    with torch.inference_mode():
        pooled = torch.einsum("bt,btd->bd", torch.from_numpy(weights).to(state.device), state)
    return np.asarray(pooled.cpu().numpy())
