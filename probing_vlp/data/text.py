"""Words of a caption, by a rule that gives the vocabulary of Karpathy's split of COCO.

In `dataset_coco.json` a hyphen parts words ("cloud-wreathed" is two tokens).  With the slash and the comma parting too,
the captions of COCO train2014 + val2014 have 9,486 words seen more than five times, which with an unknown word is the
published 9,487; deleting all punctuation gives 9,566.  Punctuation beyond ASCII, which COCO hardly has and captions of
language models do, is treated likewise: dashes part words, quotation marks and the rest go.
"""

import string
import unicodedata

_ASCII = {**dict.fromkeys(string.punctuation), **dict.fromkeys("-/,", " ")}
_MARKS = (chr(code) for code in range(128, 0x10000) if unicodedata.category(chr(code))[0] == "P")
_TABLE = str.maketrans(_ASCII | {mark: " " if unicodedata.category(mark) == "Pd" else None for mark in _MARKS})


def tokenize(caption: str) -> list[str]:
    """Lower-case words without punctuation: "A dog's T-shirt." gives a, dogs, t, shirt."""
    return caption.lower().translate(_TABLE).split()


def is_foreign(caption: str) -> bool:
    """Whether more of its letters are of other scripts than of the Latin one."""
    if caption.isascii():
        return False
    letters = [letter for letter in caption if letter.isalpha()]
    latin = sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    return latin < len(letters) - latin
