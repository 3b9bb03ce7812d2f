"""Nearest training image by cosine, over blocks, and its caption as a dump."""

from pathlib import Path

import numpy as np

from probing_vlp.commands.nearest import NearestConfig, nearest_rows, run
from probing_vlp.data.splits import load_data
from probing_vlp.dump import read_dump


def test_the_angle_counts_and_not_the_length() -> None:
    # cosines of (1, 1) with (9, 0), (0.1, 0.1) and (0, 5): 0.71, 1, 0.71
    blocks = [np.array([[9.0, 0.0], [0.1, 0.1]]), np.array([[0.0, 5.0]])]
    assert nearest_rows(np.array([[1.0, 1.0], [0.0, 2.0]]), iter(blocks)).tolist() == [1, 2]


def test_the_first_of_equals_and_any_division_into_blocks() -> None:
    train = np.random.default_rng(0).standard_normal((50, 8))
    train[30] = 2 * train[7]
    queries = np.concatenate([train[7:8], np.random.default_rng(1).standard_normal((20, 8))])
    whole = nearest_rows(queries, iter([train]))
    assert whole[0] == 7
    assert nearest_rows(queries, iter(np.array_split(train, 7))).tolist() == whole.tolist()


def test_the_dump_holds_captions_of_training_images(tmp_path: Path) -> None:
    run(NearestConfig(out=str(tmp_path / "nearest.jsonl")))
    data, dump = load_data("embedded"), read_dump(tmp_path / "nearest.jsonl")
    human = {" ".join(data.tokens[image.image_id][0]) for image in data.split("train")}
    assert [record.image_id for record in dump.records] == [image.image_id for image in data.split("test")]
    assert {record.caption for record in dump.records} <= human
