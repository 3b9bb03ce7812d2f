"""The benchmark's problem, its arithmetic, and (where the peer is at hand) that both sides compute the same."""

import os
from pathlib import Path

import numpy as np
import pytest

from bench.problem import MAX_WORDS, REFERENCES, UNKNOWN, caption_data, make_problem, vocabulary, write_features
from bench.timing import Cost, Remote, compare, total
from probing_vlp.data.text import tokenize

PEER = os.environ.get("PROBING_VLP_PEER")


def test_the_problem_follows_from_size_and_seed() -> None:
    first, again, other = make_problem(30, 1), make_problem(30, 1), make_problem(30, 2)
    assert np.array_equal(first.features, again.features) and np.array_equal(first.labels, again.labels)
    assert first.candidates == again.candidates
    assert not np.array_equal(first.labels, other.labels)


def test_the_problem_has_the_shape_of_coco() -> None:
    problem = make_problem(200)
    assert len(problem) == 200 and len(problem.candidates) == 200
    assert (
        problem.features.shape == (200, 2048) and problem.features.dtype == np.float32 and problem.features.min() == 0
    )
    assert problem.labels.shape == (200, REFERENCES, MAX_WORDS)
    lengths = (problem.labels != 0).sum(2)
    assert lengths.min() == 7 and lengths.max() == 14  # words of the shortest and of the longest template
    assert ((problem.labels != 0).cumprod(2).sum(2) == lengths).all()  # zeros at the end only
    assert problem.labels.max() < UNKNOWN  # <unk> is never in a reference


def test_both_sides_see_the_same_words(tmp_path: Path) -> None:
    problem, words = make_problem(5), vocabulary()
    assert len(words) == UNKNOWN + 1 and words.unknown == UNKNOWN
    data = caption_data(problem)
    for image in data.images:
        for text, row in zip(data.captions[image.image_id], problem.labels[image.image_id], strict=True):
            assert words.encode(tokenize(text)) == row[row != 0].tolist()
    store = write_features(problem, tmp_path / "features")
    assert np.array_equal(store.rows([3, 1]), problem.features[[3, 1]])


def test_ratios_by_hand() -> None:
    # 50 captions in 0.5, 1 and 2 CPU-seconds: 100, 50 and 25 a second; the peer always 10 a second
    ours = [Cost(50, seconds, 2 * seconds) for seconds in (0.5, 1, 2)]
    peer = [total([Cost(30, 3, 5), Cost(20, 2, 5)])] * 3
    found = compare("ce", 10, 5.0, ours, peer)
    assert (found.ratio.median, found.ratio.min, found.ratio.max, found.ratio.n) == (5, 2.5, 10, 3)
    assert (found.ours.median, found.peer.median) == (50, 10)
    assert found.wall_ratio.median == 25 / 5
    assert found.reached and not compare("ce", 10, 5.1, ours, peer).reached


def test_a_failure_in_the_other_process_says_what_failed() -> None:
    remote = Remote(list, "ab")
    remote.call("append", "c")
    assert remote.call("count", "c") == 1
    with pytest.raises(RuntimeError, match=r"ValueError: list\.remove"):
        remote.call("remove", "x")
    assert remote.call("count", "a") == 1  # and goes on
    remote.close()


@pytest.mark.skipif(not PEER, reason="PROBING_VLP_PEER is not the folder of a self-critical.pytorch checkout")
def test_both_sides_compute_the_same() -> None:
    from bench.equal import check_all
    from bench.ours import Ours
    from bench.peer import Peer

    peer = Remote(Peer, PEER, 300, 1)
    peer.call("warm", 3)
    ours = Remote(Ours, peer.call("weights"), 300, 1, (10,))
    checks = check_all(ours, peer, 300, 30, 10)
    ours.close()
    peer.close()
    assert not [check for check in checks if not check.passed]
