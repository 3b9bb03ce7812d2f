"""Perplexities by hand, on the two-sentence model of test_ngram_lm.py."""

from pathlib import Path

import numpy as np
import pytest

from analysis.context import Context
from analysis.statistics.language_model import language_model_of
from analysis.statistics.perplexity import measure, token_sums
from probing_vlp.dump import CaptionDump
from probing_vlp.errors import UserError
from probing_vlp.pages.results import Row
from probing_vlp.records import CaptionRecord

CORPUS = ["A b.", "a C"]
# p(a | <s>) p(b | <s> a) p(</s> | a b), the numbers of test_two_sentences_by_hand
AB = 0.6 * 0.425 * 0.825
# "a zzz b": <unk> is never seen, so what follows it starts anew: p(a | <s>) p(b) p(</s> | b)
A_B = 0.6 * 0.2 * 0.65
# p(<unk> | <s> a) = b(<s> a) b(a) p(<unk>)
UNKNOWN = 0.5 * 0.5 * 0.1


def rows(captions: list[str], cache: Path, seed: int = 1) -> dict[str, Row]:
    dump = CaptionDump("d", tuple(CaptionRecord(i, text) for i, text in enumerate(captions)))
    return {row.name: row for row in measure(dump, Context({}, lambda: CORPUS, cache=cache, seed=seed))}


def test_one_caption(tmp_path: Path) -> None:
    found = rows(["a b"], tmp_path)
    for name in ("perplexity", "perplexity_with_oov", "perplexity_caption"):
        assert found[name].value == pytest.approx(AB ** (-1 / 3), rel=1e-6)
        assert (found[name].n, found[name].ci_low) == (1, None)
    assert found["oov_words"].value == 0


def test_unknown_words_are_left_out_and_counted_apart(tmp_path: Path) -> None:
    found = rows(["a b", "a zzz b"], tmp_path)
    # 5 words, 1 of them unknown, 2 ends
    assert found["perplexity"].value == pytest.approx((AB * A_B) ** (-1 / (5 - 1 + 2)), rel=1e-6)
    assert found["perplexity_with_oov"].value == pytest.approx((AB * A_B * UNKNOWN) ** (-1 / (5 + 2)), rel=1e-6)
    assert found["perplexity_caption"].value == pytest.approx((AB ** (-1 / 3) + A_B ** (-1 / 3)) / 2, rel=1e-6)
    assert found["oov_words"].value == pytest.approx(1 / 5)
    assert "1 OOV words of 5 left out" in found["perplexity"].note
    assert "too small for Kneser-Ney discounts: orders 1 and 2 and 3" in found["perplexity"].note


def test_empty_caption_has_its_end_alone(tmp_path: Path) -> None:
    model = language_model_of(CORPUS, tmp_path).model
    # p(</s> | <s>) = b(<s>) p(</s>)
    assert token_sums(model, [[]])[0] == pytest.approx([np.log10(0.5 * 0.3), 0, 0, 0])


def test_interval_holds_the_value_and_follows_the_seed(tmp_path: Path) -> None:
    captions = ["a b", "a zzz b", "a c", "b", "c a b"] * 4
    first, again, other = (rows(captions, tmp_path, seed=seed)["perplexity"] for seed in (1, 1, 2))
    assert first == again != other
    assert first.ci_low is not None and first.value is not None and first.ci_high is not None
    assert first.ci_low < first.value < first.ci_high


def test_model_is_kept_and_told_apart_by_its_corpus(tmp_path: Path) -> None:
    language_model_of(CORPUS, tmp_path)
    (kept,) = tmp_path.glob("*.arpa")
    stamp = kept.stat().st_mtime_ns
    language_model_of(CORPUS, tmp_path)
    assert kept.stat().st_mtime_ns == stamp
    language_model_of([*CORPUS, "b"], tmp_path)
    assert len(list(tmp_path.glob("*.arpa"))) == 2


def test_damaged_model_is_named(tmp_path: Path) -> None:
    language_model_of(CORPUS, tmp_path)
    (kept,) = tmp_path.glob("*.arpa")
    kept.write_text("\\data\\\nngram 1=")
    with pytest.raises(UserError, match=r"arpa: damaged language model .*delete it"):
        language_model_of(CORPUS, tmp_path)
