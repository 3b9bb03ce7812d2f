"""Distances with names: cosine by hand, shapes, the join by word, and what is refused."""

import numpy as np
import pytest

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.joining import join
from probing_vlp.similarity.distances.rdms import Rdms, from_categories, from_matrix, from_vectors

WORDS = ("ant", "bee", "cat", "dog")
# cosines: ant-bee 0, ant-cat 1/sqrt(2), ant-dog -1; bee-cat 1/sqrt(2), bee-dog 0; cat-dog -1/sqrt(2)
VECTORS = np.array([[1.0, 0.0], [0.0, 3.0], [2.0, 2.0], [-5.0, 0.0]])
HALF = np.sqrt(0.5)
DISTANCES = [1, 1 - HALF, 2, 1 - HALF, 1, 1 + HALF]


def made(n: int = 9, people: int = 3) -> Rdms:
    vectors = np.random.default_rng(0).normal(size=(people, n, 5))
    words = tuple(f"w{i}" for i in range(n))
    return Rdms(words, np.concatenate([from_vectors(words, each).dissimilarities for each in vectors]), tuple("pqr"))


def test_cosine_distances_by_hand_and_as_scipy() -> None:
    assert from_vectors(WORDS, VECTORS).dissimilarities[0] == pytest.approx(DISTANCES, abs=1e-15)
    from scipy.spatial.distance import pdist

    vectors = np.random.default_rng(1).normal(size=(30, 12)) * 10.0 ** np.arange(-150, 150, 10)[:, None]
    names = [f"w{i}" for i in range(30)]
    assert from_vectors(names, vectors).dissimilarities[0] == pytest.approx(pdist(vectors, "cosine"), abs=5e-15)
    centred = from_vectors(names, vectors[:15].repeat(2, 0), "correlation").dissimilarities[0]
    assert centred == pytest.approx(pdist(vectors[:15].repeat(2, 0), "correlation"), abs=5e-15)


def test_vectors_of_whole_numbers_keep_their_ties() -> None:
    from scipy.spatial.distance import pdist

    vectors = np.random.default_rng(2).integers(0, 3, size=(50, 7)) * np.arange(1, 8) + np.eye(50, 7, dtype=int)
    vectors[:, 0] = 1
    names = [f"w{i}" for i in range(50)]
    assert (from_vectors(names, vectors).dissimilarities[0] == pdist(vectors, "cosine")).all()


def test_every_shape_of_a_matrix_is_the_same_matrix() -> None:
    stack = made()
    squares = stack.get_matrices()
    for shape in (squares, stack.dissimilarities):
        assert (from_matrix(stack.words, shape).dissimilarities == stack.dissimilarities).all()
    for single in (squares[1], stack.dissimilarities[1]):
        assert (from_matrix(stack.words, single).dissimilarities[0] == stack.dissimilarities[1]).all()
    similar = from_matrix(stack.words, 1 - squares, similarity=True)
    assert similar.dissimilarities == pytest.approx(stack.dissimilarities, abs=1e-15)
    assert (stack.mean().dissimilarities[0] == stack.dissimilarities.mean(axis=0)).all()


def test_the_toolbox_holds_the_same() -> None:
    stack = made()
    theirs = stack.toolbox()
    assert theirs.pattern_descriptors["word"] == list(stack.words)
    assert theirs.rdm_descriptors["participant"] == list("pqr")
    some = ["w2", "w5", "w7"]
    assert (theirs.subset_pattern("word", some).dissimilarities == stack.take(some).dissimilarities).all()
    assert (theirs.get_matrices() == stack.get_matrices()).all()


def test_the_join_is_by_word_whatever_the_order() -> None:
    stack = made()
    order = np.random.default_rng(3).permutation(9)
    moved = stack.take([stack.words[i] for i in order][:7])
    (one, other), report = join(stack, moved)
    assert one.words == other.words == tuple(sorted(moved.words)) == report.words
    assert (one.dissimilarities == other.dissimilarities).all()
    assert report.orders_differ
    assert report.left_out == (tuple(word for word in stack.words if word not in moved.words), ())
    (few, _), report = join(stack, moved, within=[*sorted(moved.words)[:5], "unheard"])
    assert few.n_cond == 5 and report.missing == ("unheard",) and report.left_out == ((), ())


def test_near_misses_are_told_and_not_joined() -> None:
    one = from_vectors((*WORDS, "Fire truck", "egg"), np.eye(6))
    other = from_vectors((*WORDS, "fire_truck", "EGG"), np.eye(6))
    _, report = join(one, other)
    assert report.words == WORDS
    assert report.near_misses == (("EGG", "egg"), ("Fire truck", "fire_truck"))
    with pytest.raises(UserError, match=r"1 shared words.*'BEE' / 'bee'"):
        join(from_vectors(WORDS, VECTORS), from_vectors(("ant", "BEE", "CAT", "DOG"), VECTORS))


def test_categories_are_0_within_and_1_between() -> None:
    # ant-bee same; cat-dog same; the other four pairs differ
    assert from_categories(WORDS, ("insect", "insect", "pet", "pet")).dissimilarities.tolist() == [[0, 1, 1, 1, 1, 0]]
    with pytest.raises(UserError, match="one category"):
        from_categories(WORDS, ["pet"] * 4)


@pytest.mark.parametrize(
    ("words", "vectors", "said"),
    [
        (WORDS, np.array([[1, 1], [0, 0], [1, 0], [0, 0]]), "constant vectors .*undefined.*'bee', 'dog'"),
        (WORDS, np.vstack([np.random.default_rng(0).normal(size=(3, 9)), np.full(9, 2.5)]), "constant.*'dog'"),
        (WORDS, np.array([[1, 1], [np.nan, 0], [1, 0], [0, 1]]), "NaN.*'bee'"),
        (WORDS[:3], VECTORS, r"shape \(4, 2\) for 3 words"),
        (("ant", "bee", "ant", "dog"), VECTORS, "duplicate words: 'ant'"),
        (("ant", " ", "cat", "dog"), VECTORS, "word 2 is empty"),
    ],
)
def test_vectors_without_a_cosine_are_named(words: tuple[str, ...], vectors: np.ndarray, said: str) -> None:
    with pytest.raises(UserError, match=said):
        from_vectors(words, vectors, source="x.npz")


def test_matrices_that_are_none_are_refused() -> None:
    square = made(4, 3).get_matrices()[0]
    skew = square.copy()
    skew[0, 2] += 0.01
    holed = square.copy()
    holed[1, 3] = holed[3, 1] = np.nan
    for matrix, similarity, said in (
        (skew, False, "not symmetric.*'ant', 'cat'"),
        (square[:, :3], False, "expected square"),
        (square[:3, :3], False, "expected square"),
        (1 - square, False, "diagonal is not 0"),
        (square, True, "diagonal is 0"),
        (holed, False, "no number for the pair 'bee', 'dog'"),
    ):
        with pytest.raises(UserError, match=said):
            from_matrix(WORDS, matrix, similarity=similarity)
    rounded = square.astype(np.float32)
    rounded[0, 1] = np.nextafter(rounded[0, 1], np.float32(9))
    assert from_matrix(WORDS, rounded).n_pairs == 6
