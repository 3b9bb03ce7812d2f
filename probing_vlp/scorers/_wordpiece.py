"""BERT word pieces, cased or not, from the vocabulary that a model was trained with.

Pure Python, by the Unicode tables of `unicodedata` as the models' authors do: the fast `tokenizers` differ from them in
final sigmas, special tokens inside words and newer characters.  Words are remembered, so a caption costs microseconds.
"""

import unicodedata
from functools import lru_cache
from pathlib import Path

from probing_vlp.errors import UserError

SPECIAL = ("[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]")
"""Never cut nor lowered where they stand as a word of their own."""
LONGEST = 100
"""Letters of a word; a longer one is unknown."""
HAN = (
    *((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F)),
    *((0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)),
)
"""Blocks of characters that are words by themselves."""
PUBLISHED = (28_996, 30_522)
"""Sizes of BERT's cased and uncased vocabulary."""


class WordPieces:
    """Text to ids: [CLS] pieces [SEP].

    `vocab`: a vocab.txt, a folder that holds one, or a hub id ("bert-base-uncased") whose file is downloaded once.
    """

    def __init__(self, vocab: str | Path, lower: bool) -> None:
        self._path, self._lower, self._clean = find_vocabulary(vocab), lower, _Cleaner()
        self._ids = read_vocabulary(self._path)
        if not {"[CLS]", "[SEP]", "[UNK]"} <= self._ids.keys():
            raise UserError(f"{self._path}: not a BERT vocabulary: it has no [CLS], [SEP] or [UNK]")
        self.cls, self.sep, self.unk = (self._ids[token] for token in ("[CLS]", "[SEP]", "[UNK]"))
        self._word = lru_cache(1 << 16)(self._cut_word)

    def check(self, words: int, checkpoint: str | Path) -> None:
        """UserError for a vocabulary that cannot be the model's: more pieces than its table has words, or BERT's other.

        Fewer may be right: tables are padded to round sizes.
        """
        size = len(self._ids)
        if size > words or (size != words and size in PUBLISHED):
            raise UserError(f"{self._path}: {size} word pieces, but {checkpoint} knows {words}; is it the right vocab?")

    def __call__(self, text: str, most: int | None = None) -> list[int]:
        """[CLS], at most `most` - 2 pieces of `text`, [SEP]; all pieces if `most` is None."""
        pieces = [piece for word in text.translate(self._clean).split() for piece in self._word(word)]
        return [self.cls, *pieces[: None if most is None else most - 2], self.sep]

    def _cut_word(self, word: str) -> tuple[int, ...]:
        if word in SPECIAL:
            return self._pieces(word)
        if self._lower:
            letters = unicodedata.normalize("NFD", word.lower())
            word = "".join(c for c in letters if unicodedata.category(c) != "Mn")
        parts = "".join(f" {c} " if _is_mark(c) else c for c in word).split()
        return tuple(piece for part in parts for piece in self._pieces(part))

    def _pieces(self, part: str) -> tuple[int, ...]:
        """The longest known beginning, then the longest known continuation, ...; unknown if any is."""
        if len(part) > LONGEST:
            return (self.unk,)
        found: list[int] = []
        start = 0
        while start < len(part):
            front = "##" if start else ""
            ends = range(len(part), start, -1)
            end = next((end for end in ends if front + part[start:end] in self._ids), None)
            if end is None:
                return (self.unk,)
            found.append(self._ids[front + part[start:end]])
            start = end
        return tuple(found)


class _Cleaner(dict[int, str | None]):
    """What `str.translate` makes of a character: nothing of control characters, a blank of any space, words of Han."""

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        category = unicodedata.category(char)
        made: str | None = char
        if char in "\t\n\r" or category == "Zs":
            made = " "
        elif code in (0, 0xFFFD) or category.startswith("C"):
            made = None
        elif any(first <= code <= last for first, last in HAN):
            made = f" {char} "
        self[code] = made
        return made


def _is_mark(char: str) -> bool:
    """Punctuation, and every sign of ASCII."""
    return unicodedata.category(char).startswith("P") or (char.isascii() and char.isprintable() and not char.isalnum())


def read_vocabulary(path: Path) -> dict[str, int]:
    """Word pieces and their line numbers; UserError for a file that is not text."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError:
        raise UserError(
            f"{path}: not a vocabulary (not UTF-8 text); give BERT's vocab.txt as the option vocab"
        ) from None
    return {line.strip(): i for i, line in enumerate(lines if lines[-1] else lines[:-1])}


def find_vocabulary(vocab: str | Path) -> Path:
    """The vocab.txt that is meant; UserError that says what to download and where to put it."""
    path = Path(vocab)
    if path.is_file():
        return path
    if (path / "vocab.txt").is_file():
        return path / "vocab.txt"
    if path.suffix or path.is_absolute() or path.is_dir():
        raise UserError(f"{path}: no such vocabulary; give BERT's vocab.txt as the option vocab")
    from huggingface_hub import hf_hub_download

    from probing_vlp.hub import hub_at_once

    try:
        with hub_at_once():
            return Path(hf_hub_download(str(vocab), "vocab.txt"))
    except Exception as error:  # the hub, HTTP and the file system each have their own
        raise UserError(
            f"the vocabulary of {vocab} could not be had ({str(error).splitlines()[0][:120]}); download its vocab.txt "
            "on a machine that is online, and give the file as the option vocab"
        ) from None
