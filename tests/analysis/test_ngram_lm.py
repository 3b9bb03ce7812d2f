"""The trigram estimate: by hand, against lmplz, and as a probability distribution."""

from pathlib import Path

import kenlm
import numpy as np
import pytest

from analysis.statistics.language_model import load_arpa
from analysis.statistics.ngram_lm import BOS, NgramModel, arpa_lines, estimate
from probing_vlp.errors import UserError

GOLDEN = Path(__file__).parents[1] / "golden"
Table = dict[str, tuple[float, float]]


def sentences(lines: int | None = None) -> list[list[str]]:
    return [line.split() for line in (GOLDEN / "toy_captions.txt").read_text().split("\n")[:-1]][:lines]


def linear(model: NgramModel) -> Table:
    """(probability, backoff) by n-gram."""
    return {
        " ".join(model.vocabulary[i] for i in words): (prob, backoff)
        for order in model.orders
        for words, prob, backoff in zip(order.words, order.prob, order.backoff, strict=True)
    }


def read_arpa(text: str) -> Table:
    """(log10 probability, log10 backoff) by n-gram; the backoff is 0 where the file gives none."""
    rows = [line.split("\t") for line in text.splitlines() if "\t" in line]
    return {cells[1]: (float(cells[0]), float(cells[2]) if len(cells) == 3 else 0.0) for cells in rows}


def test_two_sentences_by_hand() -> None:
    """<s> a b </s>, <s> a c </s>: too small for discounts, so D = 0.5, 1, 1.5 in every order."""
    model = estimate([["a", "b"], ["a", "c"]])
    assert model.fallback == (1, 2, 3)
    table = linear(model)
    # words seen before: a {<s>}, b {a}, c {a}, </s> {b, c}: counts 1, 1, 1, 2 of 5; b() = (3 x 0.5 + 1) / 5 = 0.5,
    # uniform 1 / |a b c </s> <unk>| = 0.2
    assert table["a"][0] == pytest.approx(0.5 / 5 + 0.5 * 0.2)
    assert table["</s>"][0] == pytest.approx((2 - 1) / 5 + 0.5 * 0.2)
    assert table["<unk>"] == pytest.approx((0.5 * 0.2, 1))
    # <s> a is counted as it stands: 2 of 2
    assert table["<s> a"] == pytest.approx(((2 - 1) / 2 + 1 / 2 * 0.2, 0.5))
    assert table["<s>"][1] == pytest.approx(1 / 2)
    # a b is preceded by <s> alone: 1 of a's 2
    assert table["a b"] == pytest.approx(((1 - 0.5) / 2 + 0.5 * 0.2, 0.5))
    assert table["b </s>"] == pytest.approx(((1 - 0.5) / 1 + 0.5 * 0.3, 1))
    assert table["<s> a b"][0] == pytest.approx((1 - 0.5) / 2 + 0.5 * 0.35)
    assert table["a b </s>"][0] == pytest.approx((1 - 0.5) / 1 + 0.5 * 0.65)


@pytest.mark.parametrize(("golden", "lines", "fallback"), [("toy", None, ()), ("five", 5, (1, 3))])
def test_equal_to_lmplz(golden: str, lines: int | None, fallback: tuple[int, ...]) -> None:
    model = estimate(sentences(lines))
    ours = read_arpa("".join(arpa_lines(model)))
    theirs = read_arpa((GOLDEN / f"{golden}_lmplz.arpa").read_text())
    assert model.fallback == fallback
    assert ours.keys() == theirs.keys()
    difference = np.array([ours[key] for key in theirs]) - np.array(list(theirs.values()))
    assert np.abs(difference).max() < 2e-6  # lmplz works in single precision


def test_discounts_by_the_formula() -> None:
    """Bigrams of the toy corpus: Y = n1 / (n1 + 2 n2), D1 = 1 - 2 Y n2 / n1, ..., as lmplz printed them."""
    assert estimate(sentences()).discounts[1] == pytest.approx((0.657289, 0.96992, 2.51173), abs=5e-6)


@pytest.mark.parametrize("context", ["", "a", "<s> a", "the thing1", "thing299 never", "on the"])
def test_probabilities_sum_to_one(tmp_path: Path, context: str) -> None:
    model = estimate(sentences())
    path = tmp_path / "toy.arpa"
    path.write_text("".join(arpa_lines(model)))
    queried, state, out = load_arpa(path), kenlm.State(), kenlm.State()
    queried.NullContextWrite(state)
    for word in context.split():
        queried.BaseScore(state, word, out)
        state, out = out, kenlm.State()
    words = [word for i, word in enumerate(model.vocabulary) if i != BOS]
    assert sum(10 ** queried.BaseScore(state, word, out) for word in words) == pytest.approx(1, abs=1e-5)


def test_order_of_sentences_does_not_matter() -> None:
    forward, backward = linear(estimate(sentences())), linear(estimate(sentences()[::-1]))
    assert forward.keys() == backward.keys()
    assert all(forward[key] == pytest.approx(backward[key]) for key in forward)


@pytest.mark.parametrize(("corpus", "message"), [([], "holds no captions"), ([["a", "</s>"]], "as a word")])
def test_unusable_corpus(corpus: list[list[str]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        estimate(corpus)
