"""Tables and figures of a verification, from rows made by hand."""

from analysis.report.tables import Exhibit
from analysis.report.verified import build_verified
from probing_vlp.pages.results import Row

CAPTIONS = {"ce": {1: "a dog on a bed"}}


def rows(experiment: str, score: float, scorer: str = "clip") -> list[Row]:
    source, note = "analysis.verification.rows: ce, seed 1, template clip", "1: a cat near a bed | 2: x"
    values = {"original": 0.5, "score": score, "change": score - 0.5, "wins": 0.25, "ceiling": 1.0}
    return [
        Row(f"verify:dump/{experiment}:{kind}", scorer, value, value - 0.1, value + 0.1, 9, "cosine", source, note)
        for kind, value in values.items()
    ]


def exhibits(*experiments: str) -> dict[str, Exhibit]:
    made = build_verified([row for place, name in enumerate(experiments) for row in rows(name, place / 10)], CAPTIONS)
    return {exhibit.key: exhibit for exhibit in made}


def test_without_rows_one_line_says_what_makes_them() -> None:
    (only,) = build_verified([], {})
    assert "probe.py verify" in only.missing and only.tables == ()


def test_each_exhibit_is_made_of_its_experiments() -> None:
    made = exhibits("visual-replaced", "others-replaced", "template-clip", "words-3", "words-7")
    assert list(made) == ["figure-2", "table-7", "figure-3", "table-6", "verify-dump"]
    assert (
        made["figure-2"].drawings[0].description
        == "as written 0.500; other words replaced 0.100; visual words replaced 0"
    )
    assert made["figure-3"].drawings[0].description == "3 words 0.300; 7 words 0.400"
    (line,) = made["table-7"].tables[0].lines
    assert [cell.text for cell in line.cells] == ["0.500", "0.200"] and line.cells[1].own
    assert line.cells[1].interval == "−0.300 (−0.400 to −0.200)"
    first = made["verify-dump"].tables[0].lines[0]
    assert first.title == "visual words replaced by wrong ones" and first.cells[0].note == "wins 25.0 %, ceiling 100 %"
    assert "shuffled" not in str(made) and "From ce, seed 1, template clip." in made["verify-dump"].hint


def test_constructions_stand_under_the_caption_they_were_made_of() -> None:
    table = exhibits("visual-replaced")["table-6"].tables[0]
    assert table.columns == ("image 1", "image 2")
    assert [[cell.text for cell in line.cells] for line in table.lines] == [
        ["a dog on a bed", "–"],
        ["a cat near a bed", "x"],
    ]
