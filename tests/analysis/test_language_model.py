"""A language model of the user's, and the one that is kept under the name of its corpus."""

import io
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from analysis.context import Context, load_context
from analysis.statistics.language_model import language_model, read_language_model
from analysis.statistics.ngram_lm import arpa_lines, estimate
from analysis.statistics.perplexity import measure
from probing_vlp.dump import CaptionDump
from probing_vlp.errors import UserError
from probing_vlp.records import CaptionRecord

GOLDEN = Path(__file__).parents[1] / "golden"
BIGRAM = """\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-1	<unk>
0	<s>	-0.3
-0.5	</s>
-0.5	a	-0.3

\\2-grams:
-0.1	<s> a
-0.2	a </s>

\\end\\
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The trigram model of test_ngram_lm.py's two sentences, as a file of the user's."""
    path = tmp_path / "own.arpa"
    path.write_text("".join(arpa_lines(estimate([["a", "b"], ["a", "c"]]))))
    return path


def never() -> list[str]:
    pytest.fail("the corpus was read")


def test_it_takes_the_place_of_the_estimate(own: Path, tmp_path: Path) -> None:
    dump = CaptionDump("d", (CaptionRecord(1, "A b!"),))
    rows = {row.name: row for row in measure(dump, Context({}, never, cache=tmp_path / "cache", lm=own))}
    # p(a | <s>) p(b | <s> a) p(</s> | a b), the numbers of test_two_sentences_by_hand
    assert rows["perplexity"].value == pytest.approx((0.6 * 0.425 * 0.825) ** (-1 / 3), rel=1e-6)
    assert "own.arpa, order 3, sha256 " in rows["perplexity"].note
    assert not (tmp_path / "cache").exists()


def test_another_order_is_refused_unless_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "two.arpa"
    path.write_text(BIGRAM)
    message = r"two\.arpa: a language model of order 2, where 3 is expected; .*--lm-order 2"
    with pytest.raises(UserError, match=message):
        read_language_model(path)
    dump = CaptionDump("d", (CaptionRecord(1, "a"),))
    rows = {row.name: row for row in measure(dump, Context({}, never, lm=path, lm_order=2))}
    assert rows["perplexity"].value == pytest.approx(10 ** (0.3 / 2), rel=1e-6)  # <s> a and a </s>


@pytest.mark.parametrize(
    "content",
    [b"", b"not a model\n", b"\\data\\\nngram 1=", BIGRAM[:80].encode(), b"\xff\xd8\xff\xe0JFIF", b"\x1f\x8b\x08"],
    ids=["empty", "text", "cut in its head", "cut", "JPEG", "cut gzip"],
)
def test_what_is_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.arpa"
    path.write_bytes(content)
    with redirect_stderr(io.StringIO()), pytest.raises(UserError, match=r"x\.arpa: .*--lm") as caught:
        read_language_model(path)
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.arpa", tmp_path):
        with pytest.raises(UserError, match="no such language model; give an ARPA file"):
            read_language_model(path)


def test_a_named_corpus_is_read_once(tmp_path: Path) -> None:
    first = Context({}, lambda: ["A b.", "a C"], cache=tmp_path, corpus_name="two sentences 1")
    made = language_model(first)
    again = language_model(Context({}, never, cache=tmp_path, corpus_name="two sentences 1"))
    assert again[1:] == made[1:]
    other = Context({}, lambda: ["A b.", "a D"], cache=tmp_path, corpus_name="two sentences 2")
    assert language_model(other).name != made.name


def test_cocos_corpus_has_a_name_and_other_data_none() -> None:
    assert load_context().corpus_name.startswith("train2014 of pycocoevalcap ")
    assert load_context(corpus="data").corpus_name == ""
