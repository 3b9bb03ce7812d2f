"""The stream of images and the table of captions."""

import numpy as np
import pytest

from probing_vlp.data.batches import CaptionTable, ImageStream
from probing_vlp.data.vocabulary import Vocabulary

VOCABULARY = Vocabulary(("a", "dog", "cat"))  # 1, 2, 3; unknown 4
CAPTIONS = [[["a", "dog"], ["a", "red", "dog"]], [["cat"]], [[], ["a"], ["dog", "a", "dog", "a", "dog"]]]


@pytest.mark.parametrize(("count", "batch"), [(10, 3), (10, 10), (3, 7), (1, 1), (8, 2)])
def test_every_image_once_an_epoch(count: int, batch: int) -> None:
    stream = ImageStream(count, batch, seed=3)
    rows = np.concatenate([stream.rows(step) for step in range(1, count + 1)])  # `batch` epochs
    assert len(rows) == batch * count
    for epoch in rows.reshape(batch, count):
        assert sorted(epoch) == list(range(count))


def test_epochs_differ_and_so_do_seeds() -> None:
    one, other = ImageStream(50, 50, 1), ImageStream(50, 50, 2)
    assert not np.array_equal(one.rows(1), one.rows(2))
    assert not np.array_equal(one.rows(1), other.rows(1))
    assert np.array_equal(one.rows(1), ImageStream(50, 50, 1).rows(1))


def test_a_step_does_not_depend_on_the_steps_before() -> None:
    stream = ImageStream(10, 3, 1)
    in_order = [stream.rows(step).tolist() for step in range(1, 21)]
    assert [ImageStream(10, 3, 1).rows(step).tolist() for step in range(1, 21)] == in_order
    assert [stream.rows(step).tolist() for step in range(20, 0, -1)] == in_order[::-1]


def test_a_batch_runs_over_the_seam() -> None:
    # 4 images, 3 a step: step 2 takes the last of the first shuffle and two of the second
    small, whole = ImageStream(4, 3, 5), ImageStream(4, 4, 5)
    assert small.rows(2).tolist() == [whole.rows(1)[3], *whole.rows(2)[:2]]
    # whole passes before the first image of a step: positions 0, 3, 6, 9, 12 over 4
    assert [small.epoch(step) for step in range(1, 6)] == [0, 0, 1, 2, 3]


def test_table_by_hand() -> None:
    table = CaptionTable(CAPTIONS, VOCABULARY, max_words=4)
    assert table.targets.tolist() == [
        [1, 2, 0, 0, 0],
        [1, 4, 2, 0, 0],
        [3, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [2, 1, 2, 1, 0],
    ]  # the last was cut, and ends
    assert table.lengths.tolist() == [3, 4, 2, 1, 2, 5]
    assert table.first.tolist() == [0, 2, 3]


def picked(images: list[int], per_image: int, seed: int = 0) -> list[list[int]]:
    """Which captions of the table were picked, image by image."""
    table = CaptionTable(CAPTIONS, VOCABULARY, 4)
    batch = table.pick(np.array(images), per_image, np.random.default_rng(seed))
    assert batch.images.tolist() == images
    rows = [table.targets.tolist().index(row) for row in batch.targets.tolist()]
    assert batch.lengths.tolist() == table.lengths[rows].tolist()
    return [rows[i : i + per_image] for i in range(0, len(rows), per_image)]


@pytest.mark.parametrize("seed", range(5))
def test_captions_of_an_image(seed: int) -> None:
    two, one, three = picked([2, 1, 0], 2, seed)
    assert len(set(two)) == 2 and set(two) <= {3, 4, 5}  # two different ones of three
    assert one == [2, 2]  # it has but one
    assert set(three) == {0, 1}
    five = picked([2], 5, seed)[0]
    assert set(five) == {3, 4, 5} and len(five) == 5  # each at least once


def test_all_captions_are_picked_alike() -> None:
    counts = np.bincount([row for seed in range(600) for row in picked([2], 1, seed)[0]], minlength=6)[3:]
    # 600 draws of three: 200 each, standard deviation sqrt(600 * 1/3 * 2/3) = 11.5
    assert np.abs(counts - 200).max() < 4 * 11.5
