"""A whole run on small encoders: rows, resuming, the words that models share, bad options."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from similarity_toys import check_same

from probing_vlp.errors import UserError
from probing_vlp.pages.probe_page import render
from probing_vlp.similarity.distances.norms import lancaster
from probing_vlp.similarity.report.making import build, publish
from probing_vlp.similarity.study.campaign import Findings, measure, shared_templates
from probing_vlp.similarity.study.options import SimilarityConfig
from probing_vlp.similarity.study.rows import FIELDS
from probing_vlp.similarity.words.stimuli import SHIPPED, load_words
from probing_vlp.similarity.words.templates import shipped


def make(folder: Path, **options: object) -> SimilarityConfig:
    """Two static models: the norms themselves with noise, and noise for every second word only."""
    stimuli, norms = load_words(folder / "words.csv"), lancaster()
    assert norms.vectors is not None
    rows = {word: row for row, word in enumerate(norms.words)}
    generator = np.random.default_rng(1)
    near = np.stack([norms.vectors[rows[word]] for word in stimuli.words])
    near = near + generator.normal(size=near.shape) / 4
    for name, words, vectors in (
        ("near", stimuli.words, near),
        ("noise", stimuli.words[::2], generator.normal(size=(len(stimuli.words[::2]), 5))),
    ):
        np.savez(folder / f"{name}.npz", words=np.array(words), vectors=vectors.astype(np.float32))
    settings = {
        "out": folder / "run",
        "cache": folder / "cache",
        "words": folder / "words.csv",
        "models": {name: f"static:{folder / f'{name}.npz'}" for name in ("near", "noise")},
        "images": ["noise"],
        "counterparts": {"noise": "near"},
        "conditions": ["isolated"],
        "ratings": "none",
        "bootstrap": 100,
        "permutations": 100,
        "splits": 2,
    }
    return SimilarityConfig(**{**settings, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("similarity")
    lines = SHIPPED.read_text().splitlines()
    (made / "words.csv").write_text("\n".join([lines[0], *lines[1::5]]) + "\n")  # 64 of 320 words, all categories
    return made


@pytest.fixture(scope="module")
def found(folder: Path) -> Findings:
    return measure(make(folder))


def test_what_follows_the_norms_is_near_them(found: Findings) -> None:
    near = found.rows.one(
        model="near", target="lancaster", subset="all", measure="spearman", layer_mode="crossvalidated"
    )
    assert near is not None and near.rho is not None and near.ci_low is not None
    assert near.rho > 0.4 and near.ci_low > 0.2 and near.p == pytest.approx(1 / 101) and near.n_words == 64


def test_models_meet_on_the_words_that_both_know(found: Findings) -> None:
    assert found.main == "shared"
    assert found.rows.one(model="noise", subset="all") is None
    (difference,) = found.rows.differences("noise", "near", target="lancaster", subset="shared")
    assert difference.n_words == 32 and difference.ci_high is not None and difference.ci_high < 0
    assert dict(found.joins)["noise"].startswith("does not know 32 words: ")


def test_without_the_experiential_model(found: Findings) -> None:
    assert found.experiential == "lancaster"
    rows = found.rows.where(model="near", target="categories", subset="all", versus="lancaster")
    assert {row.measure for row in rows} == {"residual", "semipartial", "partial"}
    other = found.rows.where(model="lancaster", versus="near", target="categories", subset="all")
    assert {row.measure for row in other} == {"residual", "semipartial", "partial"}
    assert found.rows.where(target="lancaster", measure="residual", versus="lancaster") == []


def test_a_second_run_takes_what_was_kept(found: Findings, folder: Path) -> None:
    kept = sorted((folder / "run" / "scores").iterdir())
    stamps = [os.stat(path).st_mtime_ns for path in kept]
    again = measure(make(folder))
    assert list(again.rows) == list(found.rows)
    assert [os.stat(path).st_mtime_ns for path in kept] == stamps
    measure(make(folder, permutations=50))
    assert len(list((folder / "run" / "scores").iterdir())) == 2 * len(kept)


def test_a_cut_file_is_made_again(found: Findings, folder: Path) -> None:
    victim = sorted((folder / "run" / "scores").iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:100])
    check_same(measure(make(folder)).rows, found.rows)


def test_results_and_distances_are_written(found: Findings, folder: Path) -> None:
    page = publish(found)
    with open(folder / "run" / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == FIELDS and len(rows) == len(found.rows)
    with np.load(folder / "run" / "rdms" / "near-isolated.npz") as held:
        assert held["rdm"].shape == (64 * 63 // 2,) and len(held["words"]) == 64
    text = page.read_text()
    assert "Training on images took noise further from human experience" in text
    assert "does not know 32 words" in text and "Bavaresco" in text
    assert render(build(found)) == text


def test_shared_templates_are_one_of_every_category_for_all_words() -> None:
    made = shared_templates(shipped())
    assert len(made) == 8 and {one.category for one in made} == {""}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"layer_modes": ["best"]}, "layer mode 'best' is not one of"),
        ({"experiential": "brain"}, "no such target; there are lancaster, categories"),
        ({"conditions": ["poetic"]}, "condition 'poetic'"),
        ({"subsets": ["minerals"]}, "subset 'minerals'"),
        ({"models": {}}, "--models: none given"),
        ({"images": ["nobody"]}, "'nobody' is none of the models"),
        ({"untrained": -1}, "--untrained -1: must be 0 or more"),
    ],
)
def test_bad_options(folder: Path, options: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        measure(make(folder, **options))
