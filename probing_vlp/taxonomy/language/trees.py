"""Trees of text as tensors, and the tokenizer that is made from them.

A tree is written in one row: BOS and the root, then its branches one after the other, each closed by EOS.  Position of
a branch's token: as if it followed the root at once.  Attention: a token sees itself, what stands before it in its own
branch, and the root.  So a row gives every branch the very logits that it has alone behind the root (tested), and the
root is computed once for all its questions.  `source` is the place whose output predicts a token.

    tokens     <s> a dog . Is there a dog in this image ? Yes </s> Is there a cat in this image ? No </s>
    branch      0  0  0  0  1    ...                           1    2   ...                         2
    position    0  1  2  3  4    ...                          13    4   ...                        13

Words are whole (no pieces) in lower case, but for "Yes" and "No", which are tokens of their own with or without a space
before them; words beyond the vocabulary are <unk>.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor

from probing_vlp.taxonomy.language.corpus import Tree
from probing_vlp.taxonomy.prompts import ANSWERS

BOS, EOS, PAD, UNK = SPECIAL = ("<s>", "</s>", "<pad>", "<unk>")
SPELLINGS = ("yes", "no")
"""Words of the LM-only test beside the answers."""


def make_tokenizer(trees: Iterable[Tree], names: Iterable[str], most: int) -> Any:
    """A PreTrainedTokenizerFast of at most `most` words: those of `names` first, then the corpus's by their number.

    It puts BOS before what it encodes.
    """
    from transformers import PreTrainedTokenizerFast

    split = Tokenizer(models.WordLevel({UNK: 0}, unk_token=UNK))
    split.normalizer = normalizers.Lowercase()
    split.pre_tokenizer = pre_tokenizers.Whitespace()

    def words(text: str) -> list[str]:
        return [word for word, _ in split.pre_tokenizer.pre_tokenize_str(text.lower())]

    texts = Counter(text for tree in trees for text in (tree.root, *(branch.text for branch in tree.branches)))
    seen: Counter[str] = Counter()
    for text, times in texts.items():
        for word in words(text):
            seen[word] += times
    first = dict.fromkeys([*SPECIAL, *ANSWERS, *SPELLINGS, *(w for name in sorted(names) for w in words(name))])
    rest = [word for word, _ in sorted(seen.items(), key=lambda item: (-item[1], item[0])) if word not in first]
    kept = [*first, *rest[: max(0, most - len(first))]]
    fast = Tokenizer(models.WordLevel({word: i for i, word in enumerate(kept)}, unk_token=UNK))
    fast.normalizer, fast.pre_tokenizer = split.normalizer, split.pre_tokenizer
    fast.add_special_tokens(list(SPECIAL))
    fast.add_tokens([AddedToken(a, single_word=True, lstrip=True, normalized=False) for a in ANSWERS])
    fast.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, kept.index(BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=fast, bos_token=BOS, eos_token=EOS, pad_token=PAD, unk_token=UNK, padding_side="right"
    )


class Row(NamedTuple):
    """A tree in tokens; all arrays (T,)."""

    ids: np.ndarray
    branch: np.ndarray
    """0 for the root."""
    position: np.ndarray
    source: np.ndarray
    weight: np.ndarray
    """Of the token's loss; 0 for the root and for the words of a question about a world."""
    root: int
    """Tokens of the root, BOS among them."""


def as_rows(trees: Sequence[Tree], tokenizer: Any, words: float) -> list[Row]:
    """The trees in tokens; `words` is the weight of a word that is read, where that of an answer is 1; of the
    words of a question without a world a fourth of that, of one about a world 0."""
    texts = [text for tree in trees for text in (tree.root, *(" ".join(branch).rstrip() for branch in tree.branches))]
    distinct = list(dict.fromkeys([*texts, *(branch.answer for tree in trees for branch in tree.branches)]))
    known = dict(zip(distinct, tokenizer(distinct, add_special_tokens=False)["input_ids"], strict=True))
    encoded = (known[text] for text in texts)
    rows = []
    for tree in trees:
        root = [tokenizer.bos_token_id, *next(encoded)]
        ids, branch, position, source, weight = list(root), [0] * len(root), list(range(len(root))), [0] * len(root), []
        weight = [0.0] * len(root)
        for number, told in enumerate(tree.branches, 1):
            path = [*next(encoded), tokenizer.eos_token_id]
            start = len(ids)
            ids += path
            branch += [number] * len(path)
            position += range(len(root), len(root) + len(path))
            source += [len(root) - 1, *range(start, start + len(path) - 1)]
            answer = len(known[told.answer]) if told.answer else 0
            read = 0.0 if tree.root else words / 4 if told.answer else words
            weight += [read] * (len(path) - 1 - answer) + [1.0] * answer + [words]
        columns = [np.array(column, np.int64) for column in (ids, branch, position, source)]
        rows.append(Row(columns[0], columns[1], columns[2], columns[3], np.array(weight, np.float32), len(root)))
    return rows


class Batch(NamedTuple):
    """Rows side by side, padded to the longest: (B, T), but for `mask` (B, 1, T, T), True where attention is allowed;
    `world` marks the tokens of roots but for BOS."""

    ids: Tensor
    position: Tensor
    source: Tensor
    weight: Tensor
    mask: Tensor
    world: Tensor


def as_batch(rows: Sequence[Row], pad: int) -> Batch:
    """Padding has branch -1: it sees padding and the root, and nothing sees it."""
    longest = max(len(row.ids) for row in rows)

    def column(name: str, fill: float) -> Tensor:
        arrays = [getattr(row, name) for row in rows]
        return torch.from_numpy(
            np.stack([np.pad(array, (0, longest - len(array)), constant_values=fill) for array in arrays])
        )

    branch = column("branch", -1)
    same = (branch[:, :, None] == branch[:, None, :]) | (branch[:, None, :] == 0)
    mask = (same & torch.ones(longest, longest, dtype=torch.bool).tril())[:, None]
    position = column("position", 0)
    world = (branch == 0) & (position > 0)
    return Batch(column("ids", pad), position, column("source", 0), column("weight", 0), mask, world)


def batches(rows: Sequence[Row], tokens: int, rng: np.random.Generator, easy: float = 0) -> list[list[int]]:
    """Row numbers of each batch of a pass: rows of like length together, at most `tokens` a batch, in random order.

    The first `easy` share of the batches are half of those with the shortest worlds, from short to long: in a world of
    three words it shows what a question asks for, in one of twenty it does not.
    """
    noise = rng.random(len(rows))
    kind = [(row.root > 1, row.root // 4) for row in rows]  # none, short, longer
    order = sorted(range(len(rows)), key=lambda i: (kind[i], len(rows[i].ids) + 8 * noise[i], i))
    parts: list[list[int]] = [[]]
    longest = 0
    for i in order:
        longest = max(longest, len(rows[i].ids))
        if parts[-1] and ((len(parts[-1]) + 1) * longest > tokens or kind[i][0] != kind[parts[-1][0]][0]):
            parts.append([])
            longest = len(rows[i].ids)
        parts[-1].append(i)
    world = np.array([np.mean([rows[i].root for i in part]) for part in parts])
    short = [i for i in np.argsort(world, kind="stable") if world[i] > 1][: int(2 * easy * len(parts))]
    first = sorted(rng.permutation(short)[: len(short) // 2], key=lambda i: (world[i], i)) if short else []
    rest = rng.permutation(sorted(set(range(len(parts))) - {int(i) for i in first}))
    return [parts[int(i)] for i in (*first, *rest)]
