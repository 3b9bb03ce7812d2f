"""The benchmark of the taxonomy probe, at tiny size; the arithmetic of the grid's cost."""

import json
from pathlib import Path

import pytest

from bench import taxonomy


def test_hours_are_those_of_the_questions() -> None:
    hours = taxonomy.grid_hours({"encode_per_second": 100.0, "train_per_second": 100.0, "answer_per_second": 1000.0})
    assert hours["encode"] == pytest.approx(17_336 / 100 / 3600)
    # ten conditions keep 10 - (1 + .175 + .48 + .7 + .85 + .96 + (2804 + 4313 + 5730 + 6509) / 7851) = 3.369...
    kept = 10 - (1 + 0.175 + 0.48 + 0.7 + 0.85 + 0.96 + 19_356 / 7851)
    assert hours["train"] == pytest.approx(18 * 5 * (10 * 24_270 + kept * 38_836) / 100 / 3600)
    assert hours["answer"] == pytest.approx(180 * 25_086 / 1000 / 3600)
    assert hours["all"] == pytest.approx(hours["encode"] + hours["train"] + hours["answer"])


def test_it_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = f"--encoder tiny --lm tiny --batches 2 3 --steps 1 --device cpu --precision no --out {tmp_path}/b.json"
    assert taxonomy.main(words.split()) == 0
    rows = json.loads((tmp_path / "b.json").read_text())["rows"]
    assert [row["batch"] for row in rows] == [2, 3]
    for row in rows:
        assert all(row[f"{part}_per_second"] > 0 and row[f"{part}_gib"] > 0 for part in ("encode", "train", "answer"))
    assert "180 cells of 5 epochs" in " ".join(capsys.readouterr().out.split())
