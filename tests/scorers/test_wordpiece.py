"""Word pieces by hand, and against the `tokenizers` library on plain captions."""

from pathlib import Path

import pytest
from region_toys import CAPTIONS, PIECES, save_pieces
from tokenizers.implementations import BertWordPieceTokenizer

from probing_vlp.errors import UserError
from probing_vlp.scorers._wordpiece import WordPieces


@pytest.fixture
def vocab(tmp_path: Path) -> Path:
    return save_pieces(tmp_path)


def pieces(vocab: Path, text: str, lower: bool) -> list[str]:
    """The pieces between [CLS] and [SEP]."""
    ids = WordPieces(vocab, lower)(text)
    words = [PIECES[i] for i in ids]
    assert (words[0], words[-1]) == ("[CLS]", "[SEP]")
    return words[1:-1]


@pytest.mark.parametrize(
    ("text", "lower", "wanted"),
    [
        ("A dog, a mat.", False, "A dog , a mat ."),
        ("A dog, a mat.", True, "a dog , a mat ."),
        ("T-shirts snow-covered", False, "T - shirts snow - covered"),
        ("tshirts", True, "tshirts"),
        ("dogs", True, "dog ##s"),  # the longest beginning, then the rest
        ("dogcat", True, "[UNK]"),  # dog is a piece, but ##cat and its letters are not all: the word is unknown
        ("Café", True, "cafe"),
        ("cafe\u0301 café", True, "cafe cafe"),  # an accent of its own is an accent
        ("café", False, "café"),
        ("Ångström", True, "ang ##strom"),
        ("東京 a東", False, "東 京 a 東"),
        ("a\u200bdog a\x00dog", False, "a ##dog a ##dog"),  # a space without width, and nul: gone
        ("a\u00a0dog\ta\u3000dog", False, "a dog a dog"),  # any other space
        ("it's 3.5%", False, "it ' s 3 . 5 %"),
        ("“speed”…", False, "“ speed ” …"),
        ("a [MASK] dog [SEP].", True, "a [MASK] dog [ [UNK] ] ."),  # special as a word of its own only
        ("dog" * 40, True, "[UNK]"),  # more than 100 letters
        ("", False, ""),
        (" \n", False, ""),
    ],
)
def test_by_hand(text: str, lower: bool, wanted: str, vocab: Path) -> None:
    assert pieces(vocab, text, lower) == wanted.split()


@pytest.mark.parametrize("lower", [True, False])
def test_plain_captions_are_cut_as_the_library_does(lower: bool, vocab: Path) -> None:
    library = BertWordPieceTokenizer(str(vocab), lowercase=lower)
    ours = WordPieces(vocab, lower)
    for caption in CAPTIONS:
        assert ours(caption)[1:-1] == library.encode(caption, add_special_tokens=False).ids


def test_cutting_keeps_both_ends(vocab: Path) -> None:
    ours = WordPieces(vocab, lower=True)
    whole = ours("a dog on a mat")
    assert ours("a dog on a mat", 5) == [*whole[:4], whole[-1]]
    assert ours("a dog on a mat", 7) == ours("a dog on a mat", 70) == whole


def test_vocabularies_that_cannot_be_used(tmp_path: Path, vocab: Path) -> None:
    assert WordPieces(vocab.parent, lower=True)("a dog") == WordPieces(vocab, lower=True)("a dog")
    with pytest.raises(UserError, match=r"absent.txt: no such vocabulary; give BERT's vocab.txt"):
        WordPieces(tmp_path / "absent.txt", lower=True)
    other = tmp_path / "other.txt"
    other.write_text("dog\ncat\n")
    with pytest.raises(UserError, match=r"other.txt: not a BERT vocabulary: it has no \[CLS\], \[SEP\] or \[UNK\]"):
        WordPieces(other, lower=True)
    other.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"other.txt: not a vocabulary \(not UTF-8 text\)"):
        WordPieces(other, lower=True)
    for words in (len(PIECES), 28996):  # a table may have room to spare
        WordPieces(vocab, lower=True).check(words, "x.pt")
    with pytest.raises(UserError, match=f"vocab.txt: {len(PIECES)} word pieces, but x.pt knows {len(PIECES) - 1}"):
        WordPieces(vocab, lower=True).check(len(PIECES) - 1, "x.pt")
    other.write_text("\n".join([*PIECES, *(f"w{i}" for i in range(28996 - len(PIECES)))]))
    with pytest.raises(UserError, match=r"28996 word pieces, but x.pt knows 30522; is it the right vocab"):
        WordPieces(other, lower=True).check(30522, "x.pt")
