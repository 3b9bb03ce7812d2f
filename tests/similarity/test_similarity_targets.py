"""Targets: the norms in the package, categories, files, participants; joined by word, what is missing is said."""

from pathlib import Path

import numpy as np
import pytest

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.norms import lancaster
from probing_vlp.similarity.study.targets import load_targets
from probing_vlp.similarity.words.stimuli import Stimuli

STIMULI = Stimuli(("hammer", "apple", "dog", "truck", "zzyzx"), ("tool", "food", "animal", "vehicle", "tool"), "five")


def test_lancaster_is_six_means_of_every_word() -> None:
    norms = lancaster()
    assert norms.vectors is not None and norms.vectors.shape == (39707, 6)
    assert norms.vectors.min() >= 0 and norms.vectors.max() <= 5


def test_words_are_alphabetical_and_missing_ones_are_named() -> None:
    target, categories = load_targets(STIMULI, ["lancaster", "categories"])
    assert target.rdms.words == ("apple", "dog", "hammer", "truck")
    assert "'zzyzx'" in target.report and target.experiential
    # hammer and zzyzx are tools: of the ten pairs theirs alone is within a category
    assert categories.rdms.group.sum() == 9 and not categories.experiential


def test_lancaster_distances_are_cosines() -> None:
    (target,) = load_targets(STIMULI, ["lancaster"])
    norms = lancaster()
    assert norms.vectors is not None
    apple, dog = (norms.vectors[norms.words.index(word)] for word in ("apple", "dog"))
    expected = 1 - apple @ dog / np.linalg.norm(apple) / np.linalg.norm(dog)
    assert target.rdms.group[0] == pytest.approx(expected)


def test_ratings_and_participants(tmp_path: Path) -> None:
    words = [word for word in STIMULI.words if word != "dog"]
    table = "Word,Standard,sweet,loud\n" + "".join(f"{word},x,{i + 1},{i * i + 1}\n" for i, word in enumerate(words))
    (tmp_path / "ratings.csv").write_text(table)
    matrices = np.random.default_rng(1).random((2, 5, 5))
    for i, matrix in enumerate(matrices):
        np.savetxt(tmp_path / f"p{i}.txt", (matrix + matrix.T) / 2 + np.eye(5))
    ratings, brain = load_targets(
        STIMULI, [], str(tmp_path / "ratings.csv"), str(tmp_path / "p*.txt"), list(STIMULI.words)
    )
    assert ratings.name == "attributes" and ratings.rdms.n_cond == 4 and "'dog'" in ratings.report
    assert brain.participants == 2 and brain.kind == "brain" and "2 participants" in brain.about


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["lancastre"], "target 'lancastre' is not lancaster"),
        (["lancaster", "lancaster"], "two targets are called 'lancaster'"),
        ([], "no targets"),
    ],
)
def test_bad_names(names: list[str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        load_targets(STIMULI, names)


def test_too_few_words() -> None:
    with pytest.raises(UserError, match="1 of the 2 words are there, 4 or more are needed"):
        load_targets(Stimuli(("dog", "zzyzx")), ["lancaster"])
    with pytest.raises(UserError, match="target categories: the words have none"):
        load_targets(Stimuli(("dog", "apple")), ["categories"])
