"""A run against participants' text matrices: encoders with one layer and with several, every layer mode, the report."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist, squareform
from similarity_toys import check_same

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.ceilings import noise_ceiling
from probing_vlp.similarity.report.making import build, publish
from probing_vlp.similarity.report.participants import participants_table
from probing_vlp.similarity.study.campaign import Findings, measure
from probing_vlp.similarity.study.options import SimilarityConfig
from probing_vlp.similarity.words.stimuli import SHIPPED, load_words

PEOPLE = 5
MODES = ["crossvalidated", "best3", "fixed"]


def make(folder: Path, **options: object) -> SimilarityConfig:
    settings = {
        "out": folder / "run",
        "cache": folder / "cache",
        "words": folder / "words.csv",
        "models": {"letters": "similarity_toys:Own", "still": f"static:{folder / 'still.npz'}"},
        "images": ["letters"],
        "counterparts": {"letters": "still"},
        "conditions": ["isolated", "neutral"],
        "ratings": "none",
        "brain": str(folder / "brain"),
        "untrained": 1,
        "layer_modes": MODES,
        "subsets": ["all", "objects", "events"],
        "bootstrap": 40,
        "permutations": 40,
        "splits": 1,
    }
    return SimilarityConfig(**{**settings, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 words, of which the brains lack two; five people who share part of their distances."""
    made = tmp_path_factory.mktemp("brain")
    lines = SHIPPED.read_text().splitlines()
    (made / "words.csv").write_text("\n".join([lines[0], *lines[1::13][:24]]) + "\n")
    words = load_words(made / "words.csv").words
    generator = np.random.default_rng(2)
    common = generator.normal(size=(len(words), 4))
    still = common + generator.normal(size=common.shape)
    np.savez(made / "still.npz", words=np.array(words), vectors=still.astype(np.float32))
    (made / "brain").mkdir()
    order = generator.permutation(len(words) - 2)
    (made / "brain" / "words.txt").write_text("\n".join(words[i] for i in order))
    for person in range(PEOPLE):
        rows = np.hstack([common, generator.normal(size=(len(words), 6))])[order]
        np.savetxt(made / "brain" / f"roi_{person}.txt", 1 - squareform(pdist(rows, "cosine")))
    return made


@pytest.fixture(scope="module")
def found(folder: Path) -> Findings:
    return measure(make(folder))


def test_values_are_those_of_numpy_and_scipy(found: Findings, folder: Path) -> None:
    names = (folder / "brain" / "words.txt").read_text().split("\n")
    people = [1 - np.loadtxt(path) for path in sorted((folder / "brain").glob("roi_*"))]
    with np.load(folder / "still.npz") as held:
        vectors = dict(zip(held["words"].tolist(), held["vectors"].astype(float), strict=True))
    upper = np.triu_indices(len(names), 1)
    model = squareform(pdist(np.stack([vectors[name] for name in names]), "cosine"))[upper]
    each = np.stack([person[upper] for person in people])
    place = {"target": "brain", "subset": "all", "layer_mode": "fixed", "condition": "isolated", "model": "still"}
    group, mean = (found.rows.one(**place, measure=name, versus="") for name in ("spearman", "participants"))
    assert group and mean and group.n_words == mean.n_words == 22
    assert group.rho == pytest.approx(stats.spearmanr(model, each.mean(axis=0)).statistic, abs=1e-12)
    assert mean.rho == pytest.approx(np.mean([stats.spearmanr(model, one).statistic for one in each]), abs=1e-12)
    bounds = noise_ceiling(each)
    low, high = (found.rows.one(target="brain", subset="all", measure=f"ceiling_{end}") for end in ("low", "high"))
    assert low and high and (low.rho, high.rho) == (pytest.approx(bounds.lower), pytest.approx(bounds.upper))


def test_one_layer_and_several_are_scored_on_the_same_pairs(found: Findings) -> None:
    for mode in MODES:
        place = {"target": "brain", "subset": "all", "layer_mode": mode, "condition": "neutral", "measure": "spearman"}
        both = [found.rows.one(**place, model=name, trained=True) for name in ("letters", "still")]
        assert both[0] and both[1] and both[0].n_pairs == both[1].n_pairs
        assert found.rows.differences("letters", "still", target="brain", layer_mode=mode)


def test_a_layer_profile_counts_the_words_that_the_target_has(found: Findings) -> None:
    rows = found.rows.where(target="brain", layer_mode="each")
    assert {(row.n_words, row.n_pairs) for row in rows} == {(22, 231)}


def test_the_report_has_participants_ceiling_and_the_experiential_model(found: Findings) -> None:
    table = participants_table(found, "brain", "all", "crossvalidated")
    assert table and "5 participants" in table.caption
    titles = [line.title for line in table.lines]
    assert titles == [
        "letters",
        "letters, untrained (seed 1)",
        "still",
        "noise ceiling, lower",
        "noise ceiling, upper",
        "letters less still",
    ]
    text = publish(found).read_text()
    assert "intervals over participants" in text and "lancaster without still: brain" in text
    assert "its counterpart without images" in text and "Small encoders" not in text
    control = next(section for section in build(found).sections if section.key == "control")
    whole = [line.cells[0].text for line in control.tables[0].lines]
    assert all(re.fullmatch("−?[0-9].*", value) for value in whole), whole


def test_brains_alone_without_an_experiential_model(folder: Path) -> None:
    alone = make(
        folder, experiential="none", targets=[], layer_modes=["fixed"], conditions=["isolated"], untrained=0,
        out=folder / "alone",
    )  # fmt: skip
    found = measure(alone)
    assert [target.name for target in found.targets] == ["brain"] and found.experiential == ""
    assert "brain, isolated" in publish(found).read_text()


def test_part_of_the_scores_kept(found: Findings, folder: Path) -> None:
    sorted((folder / "run" / "scores").iterdir())[0].unlink()
    check_same(measure(make(folder)).rows, found.rows)


def test_what_stands_twice_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="--conditions: 'neutral' stands twice"):
        dataclasses.replace(make(folder), conditions=["neutral", "isolated", "neutral"])
