"""WordNet's nouns from its own files: glosses and is-a sentences about the nouns that a text uses.

A dict folder holds `index.noun` (lemma, counts, pointers, offsets of its synsets, the commonest sense first) and
`data.noun` (offset, file number, type, words after their hexadecimal count, pointers, "|", gloss), see `wndb(5WN)`:

    02084071 05 n 03 dog 0 domestic_dog 0 Canis_familiaris 0 002 @ 02083346 n 0000 ~ 01317541 n 0000 | a member of ...

Only the first sense of a lemma is told, `@` is the pointer to its hypernym, and of a gloss the definition without its
examples.  Nothing of WordNet comes with the project: the folder is the user's.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from probing_vlp.errors import UserError
from probing_vlp.files import read_bytes
from probing_vlp.taxonomy.grammar import with_article

REMEDY = "--wordnet takes WordNet's folder of index.noun and data.noun; without it glosses are left out"


class Synset(NamedTuple):
    """A sense: its words, the offsets of its hypernyms, its definition."""

    words: tuple[str, ...]
    above: tuple[int, ...]
    gloss: str


class WordNet:
    """The noun files of a dict folder, read once."""

    def __init__(self, folder: Path) -> None:
        self._data_file = folder / "data.noun"
        self._index = dict(_entries(folder / "index.noun"))
        self._lines = dict(_lines(self._data_file))

    def __contains__(self, lemma: str) -> bool:
        return lemma in self._index

    def first(self, lemma: str) -> Synset:
        """The commonest sense of a noun ("hot dog"); KeyError if WordNet has none."""
        return self.synset(self._index[lemma])

    def synset(self, offset: int) -> Synset:
        """The synset at an offset; UserError if its line is not WordNet's."""
        number, line = self._lines.get(offset, (0, ""))
        head, _, gloss = line.partition(" | ")
        fields = head.split()
        try:
            count = int(fields[3], 16)
            words = tuple(word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2])
            rest = fields[4 + 2 * count :]
            pointers = [rest[1 + 4 * i : 5 + 4 * i] for i in range(int(rest[0]))]
            above = tuple(int(target) for kind, target, part, _ in pointers if kind == "@" and part == "n")
        except (IndexError, ValueError):
            what = f"line {number}: no synset as WordNet writes it" if line else f"no synset {offset:08d}"
            raise UserError(f"{self._data_file}, {what}; {REMEDY}") from None
        return Synset(words, above, gloss.split('; "')[0].strip())


def wordnet_sentences(folder: Path, nouns: Iterable[str]) -> list[str]:
    """ "dog: a member of the genus Canis." and "a dog is a canine." for each of the nouns that WordNet has, sorted."""
    wordnet, sentences = WordNet(folder), []
    for noun in sorted(set(nouns)):
        if noun in wordnet:
            synset = wordnet.first(noun)
            sentences.append(f"{noun}: {synset.gloss}.")
            sentences += [
                f"{with_article(noun)} is a kind of {wordnet.synset(offset).words[0]}." for offset in synset.above
            ]
    return sentences


def _entries(path: Path) -> Iterator[tuple[str, int]]:
    for number, line in _text(path):
        fields = line.split()
        try:
            synsets, pointers = int(fields[2]), int(fields[3])
            offset = int(fields[6 + pointers])
        except (IndexError, ValueError):
            raise UserError(f"{path}, line {number}: no entry as WordNet writes it; {REMEDY}") from None
        if synsets:
            yield fields[0].replace("_", " "), offset


def _lines(path: Path) -> Iterator[tuple[int, tuple[int, str]]]:
    for number, line in _text(path):
        head = line.partition(" ")[0]
        if not head.isdecimal():
            raise UserError(f"{path}, line {number}: begins with no offset; {REMEDY}")
        yield int(head), (number, line)


def _text(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines without the licence, whose lines begin with two spaces."""
    raw = read_bytes(path, "WordNet file", REMEDY).decode("utf-8", "replace")
    for number, line in enumerate(raw.splitlines(), 1):
        if line.strip() and not line.startswith("  "):
            yield number, line
