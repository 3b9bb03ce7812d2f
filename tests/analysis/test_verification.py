"""Rows, findings and tables of a verification whose numbers can be worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
from programs import Programs

from analysis.context import Context
from analysis.verification.rows import VerificationConfig, findings, read_all, run, verification_rows
from probing_vlp.errors import UserError
from probing_vlp.experiments.pairs import Pair, Verification, write_verification
from probing_vlp.experiments.summary import contrast, summarise
from probing_vlp.pages.results import Row, read_rows

SCORER = "clip"
HEADER = {
    "dump": "CE",
    "scorers": [SCORER],
    "units": {SCORER: "cosine"},
    "experiments": ["visual-replaced", "others-replaced", "template-clip", "words-3", "words-7", "shuffled", "negated"],
    "bases": ["dump"],
    "examples": [2, 3, 99],
    "template": "clip",
    "notation": "a NOUN",
    "seed": 1,
}
BEFORE = (0.5, 0.4, 0.3, 0.2)
AFTER: dict[str, tuple[float | None, ...]] = {
    "visual-replaced": (0.1, 0.1, 0.1, 0.1),
    "others-replaced": (0.5, 0.3, 0.3, 0.2),
    "template-clip": (0.4, 0.3, 0.2, 0.1),
    "words-3": (0.2, 0.3, 0.3, 0.2),
    "words-7": (0.5, 0.2, 0.4, 0.1),
    "shuffled": (0.6, 0.4, 0.1, None),
}
CONTEXT = Context({}, list)


def pairs(experiment: str) -> list[Pair]:
    texts = {"shuffled": ("dog a", "a cat", "dog a", "dog a")}.get(experiment, (experiment,) * 4)
    return [
        Pair(experiment, "dump", key, "a dog", text, {SCORER: before}, {SCORER: after})
        for key, (text, before, after) in enumerate(zip(texts, BEFORE, AFTER[experiment], strict=True), 1)
    ]


VERIFICATION = Verification(HEADER, tuple(pair for name in AFTER for pair in pairs(name)))


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return verification_rows(VERIFICATION, CONTEXT)


def value(rows: list[Row], name: str) -> float:
    found = next(row.value for row in rows if row.name == f"verify:dump/{name}")
    assert found is not None
    return found


def test_the_arithmetic(rows: list[Row]) -> None:
    """The fourth shuffled caption could not be scored: it is left out of everything."""
    assert value(rows, "shuffled:original") == pytest.approx(0.4)  # (.5 + .4 + .3) / 3
    assert value(rows, "shuffled:score") == pytest.approx(1.1 / 3)  # .6 + .4 + .1
    assert value(rows, "shuffled:change") == pytest.approx(-0.1 / 3)  # .1 + 0 - .2
    assert value(rows, "shuffled:wins") == pytest.approx(0.5)  # a win, a tie, a loss
    assert value(rows, "shuffled:ceiling") == pytest.approx(2 / 3)  # the same bag, another, the same: .5 + 1 + .5
    shuffled = next(row for row in rows if row.name == "verify:dump/shuffled:change")
    assert (shuffled.n, shuffled.unit, shuffled.model) == (3, "cosine", SCORER)
    assert shuffled.note == "2: a cat | 3: dog a; 1 not scored"
    assert value(rows, "others-replaced-against-visual-replaced:change") == pytest.approx(0.225)  # .4 + .2 + .2 + .1
    assert value(rows, "words-7-against-words-3:change") == pytest.approx(0.05)  # .3 - .1 + .1 - .1


def test_what_could_not_be_made_is_said(rows: list[Row]) -> None:
    row = next(row for row in rows if row.name.startswith("verify:dump/negated"))
    assert row.value is None and row.note == "unavailable: no caption offers anything to change"


def test_a_contrast_takes_the_images_that_both_have() -> None:
    estimate = contrast(pairs("words-7")[1:], pairs("words-3")[:3], SCORER, np.random.default_rng(1))
    assert estimate.n == 2 and estimate.value == pytest.approx(0.0)  # images 2 and 3: -.1 + .1
    nearly = [Pair("x", "dump", 1, "a", "b", {SCORER: 0.3}, {SCORER: 0.3 + 1e-8})]
    assert summarise(nearly, SCORER, np.random.default_rng(1)).wins.value == 0.5
    nothing = summarise([], SCORER, np.random.default_rng(1))
    assert nothing.change.n == 0 and np.isnan(nothing.ceiling)


def test_findings_are_confirmed_denied_or_left_open(rows: list[Row]) -> None:
    first, second, third = findings(rows)
    assert first.startswith("clip, the captions of the dump: wrong visual words change the score by −0.250")
    assert first.endswith("is confirmed (n = 4).")  # every image has the same sign
    assert "in the template of clip change the score by −0.100" in second
    assert "is denied (n = 4); of all templates tried (1), none did." in second
    assert "in the template a NOUN, change" in third
    assert third.endswith("is left open: the interval holds zero (n = 4).")
    assert findings([]) == [] and findings([row for row in rows if "shuffled" in row.name]) == []


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], programs: Programs) -> None:
    path = tmp_path / "verification.jsonl"
    write_verification(path, HEADER, VERIFICATION.pairs)
    programs.run("-m", "analysis", "verification", path, "--out", tmp_path / "one").succeeded()
    run(VerificationConfig([path], tmp_path / "two"))
    assert "is confirmed (n = 4)." in capsys.readouterr().out
    one, two = (read_rows(tmp_path / name / "verification.csv") for name in ("one", "two"))
    assert one == two == read_rows(tmp_path / "one" / "verification.json")
    for files, said in (([], "name the files"), ([path, path], "clip is verified in .* too")):
        with pytest.raises(UserError, match=said):
            read_all(files)
    with pytest.raises(UserError, match="0 bootstrap draws"):
        run(VerificationConfig([path], draws=0))
