"""Training of the mini-clip scorer: its loss by hand, and runs that resume, repeat and are shared by processes."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from programs import ROOT

from probing_vlp.data.features import FeatureIndex, FeatureWriter
from probing_vlp.data.visuals import DataConfig
from probing_vlp.errors import UserError
from probing_vlp.scorers import load_scorer
from probing_vlp.training.contrastive import ScorerConfig, Trainer, Views, info_nce, run
from probing_vlp.training.retrieval import estimates, quality, retrieval, summary

THINGS = ["dog", "cat", "bus", "cake", "boat", "horse"]


def views(images: list[list[float]], texts: list[list[float]], owner: list[int]) -> Views:
    return Views(torch.tensor(images).float(), torch.tensor(texts).float(), torch.tensor(owner))


def test_info_nce_of_two_pairs_by_hand() -> None:
    ours = views([[1, 0], [0, 1]], [[1, 0], [0, 1]], [0, 1])
    # each row of logits is (2, 0) with its target first: -log(e^2 / (e^2 + 1)) = log(1 + e^-2), both ways
    assert info_nce(ours, ours, 0, torch.tensor(2.0)).item() == pytest.approx(math.log(1 + math.exp(-2)))


def test_two_captions_of_one_image_are_no_negatives() -> None:
    same = views([[1, 0], [1, 0], [0, 1]], [[1, 0], [1, 0], [0, 1]], [7, 7, 8])
    # rows 0 and 1 see their own text and the other image's: log(1 + e^-2); row 2 sees two negatives: log(1 + 2 e^-2)
    expected = (2 * math.log(1 + math.exp(-2)) + math.log(1 + 2 * math.exp(-2))) / 3
    assert info_nce(same, same, 0, torch.tensor(2.0)).item() == pytest.approx(expected)


def test_shares_of_a_batch_add_up_to_the_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    batch = Views(
        torch.randn(6, 3, generator=generator), torch.randn(6, 3, generator=generator), torch.tensor([0, 1, 2, 0, 1, 3])
    )
    shares = [
        info_nce(Views(*(x[start : start + 2] for x in batch)), batch, start, torch.tensor(3.0)) for start in (0, 2, 4)
    ]
    whole = info_nce(batch, batch, 0, torch.tensor(3.0))
    assert torch.stack(shares).mean().item() == pytest.approx(whole.item())


def test_retrieval_by_hand() -> None:
    # three images; captions 0 and 1 belong to image 0, caption 2 to image 1, caption 3 to image 2
    scores = np.array([[0.9, 0.1, 0.2, 0.0], [0.3, 0.4, 0.8, 0.5], [0.1, 0.2, 0.3, 0.5]])
    found = retrieval(scores, np.array([0, 0, 1, 2]))
    # caption 0: its image is first; caption 1: both others score more, rank 3; 2: first; 3: a tie counts against it, 2
    assert found["caption_to_image_r1"].tolist() == [0.5, 1, 0]
    assert found["caption_to_image_r5"].tolist() == [1, 1, 1]
    assert found["caption_to_image_rank"].tolist() == [2, 1, 2]  # image 0: the median of ranks 1 and 3
    # image 0 finds caption 0, image 1 caption 2, image 2 caption 3: all first
    assert found["image_to_caption_rank"].tolist() == [1, 1, 1]
    assert summary(found)["caption_to_image_r1"] == pytest.approx(0.5)
    assert quality(found) == pytest.approx((0.5 + 1 + 1 + 1) / 4)
    assert estimates(found, seed=0)["image_to_caption_r1"] == (1, 1, 1, 3)


def test_a_constant_score_finds_nothing() -> None:
    found = retrieval(np.zeros((9, 9)), np.arange(9))
    assert quality(found) == 0
    assert found["image_to_caption_rank"].tolist() == [9] * 9


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> DataConfig:
    """48 images of six things; a feature says which thing it is, and so does each of two captions."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "images").mkdir()
    rows = ["image_id,file_name,split,caption"]
    for i in range(48):
        thing, split = THINGS[i % 6], ("train", "train", "val", "test")[i // 12]
        (folder / "images" / f"{i}.jpg").touch()
        rows += [f"{i},{i}.jpg,{split},a {thing} in view", f"{i},{i}.jpg,{split},there is a {thing} number {i % 3}"]
    (folder / "captions.csv").write_text("\n".join(rows) + "\n")
    features = np.eye(8, dtype=np.float32)[np.arange(48) % 6]
    features += np.random.default_rng(0).normal(0, 0.1, features.shape).astype(np.float32)
    index = FeatureIndex("toy", 8, "float32", tuple(range(48)), tuple(f"{i}.jpg" for i in range(48)))
    writer = FeatureWriter(folder / "features", index)
    writer.write(features)
    writer.finish()
    return DataConfig(source=f"{folder / 'images'},{folder / 'captions.csv'}", features=str(folder / "features"))


@pytest.fixture
def config(toy: DataConfig, tmp_path: Path) -> ScorerConfig:
    return ScorerConfig(
        run=str(tmp_path / "run"),
        data=toy,
        min_count=0,
        word=8,
        hidden=8,
        joint=8,
        dropout=0.2,
        batch_size=16,
        epochs=4,
        learning_rate=0.01,
    )


def state(config: ScorerConfig) -> tuple[bytes, ...]:
    """All that a run leaves behind, but for its own configuration."""
    names = (
        "checkpoints/last.safetensors",
        "checkpoints/best.safetensors",
        "scorer/mini-clip.safetensors",
        "log.jsonl",
    )
    return tuple((Path(config.run) / name).read_bytes() for name in names)


def test_learns_logs_and_saves_a_scorer(config: ScorerConfig, capsys: pytest.CaptureFixture[str]) -> None:
    run(replace(config, epochs=12, export=f"{config.run}-export"))
    log = [json.loads(line) for line in (Path(config.run) / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in log] == [3 * epoch for epoch in range(1, len(log) + 1)]  # 48 captions, 16 a step
    assert log[-1]["loss"] < log[0]["loss"] / 2
    scorer: Any = load_scorer("mini-clip", checkpoint=f"{config.run}-export")
    assert scorer.about["provenance"]["retrieval"]["test"]["images"] == 12
    assert "test, 12 images: caption to image r1" in capsys.readouterr().out
    assert (Path(config.run) / "scorer" / "mini-clip.safetensors").is_file()


def test_resumed_run_ends_bit_for_bit_as_an_uninterrupted_one(
    config: ScorerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(config)
    cut = replace(config, run=f"{config.run}-cut")
    steps = Trainer._step

    def interrupted(trainer: Trainer, rows: np.ndarray) -> torch.Tensor:
        if trainer.session.step == 7:  # in the middle of the third epoch
            raise KeyboardInterrupt
        return steps(trainer, rows)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "_step", interrupted)
        run(cut)
    run(replace(cut, resume=True))
    assert state(cut) == state(config)
    run(replace(cut, resume=True))  # already done: nothing changes
    assert state(cut) == state(config)


def test_the_seed_decides(config: ScorerConfig) -> None:
    configs = [
        replace(config, run=f"{config.run}-{name}", seed=seed, epochs=1)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    for each in configs:
        run(each)
    first, again, other = map(state, configs)
    assert first == again
    assert first[0] != other[0]


def test_a_run_of_another_vocabulary_is_not_resumed(config: ScorerConfig) -> None:
    run(replace(config, epochs=1))
    with pytest.raises(UserError, match=r"was begun with other options \(min_count: 0\)"):
        run(replace(config, epochs=2, min_count=8, resume=True))


def test_a_run_is_not_overwritten(config: ScorerConfig) -> None:
    run(replace(config, epochs=1))
    with pytest.raises(UserError, match="holds a run already"):
        run(config)


def test_two_processes_train_as_one(config: ScorerConfig) -> None:
    """Through accelerate's own launcher, two processes on the CPU; without dropout, whose masks differ."""
    alone = replace(config, dropout=0.0, epochs=2)
    run(alone)
    two = f"{config.run}-two"
    options = {
        "run": two,
        "data.source": config.data.source,
        "data.features": config.data.features,
        "min_count": 0,
        "word": 8,
        "hidden": 8,
        "joint": 8,
        "dropout": 0,
        "batch_size": 16,
        "epochs": 2,
        "learning_rate": 0.01,
    }
    # --multi_gpu is accelerate's word for more than one process; without GPUs they are CPU processes over gloo
    command = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--multi_gpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "train.py",
        "scorer",
        *(f"--{key}={value}" for key, value in options.items()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    logs = [
        [json.loads(line) for line in (Path(path) / "log.jsonl").read_text().splitlines()] for path in (alone.run, two)
    ]
    assert [row["loss"] for row in logs[1]] == pytest.approx([row["loss"] for row in logs[0]], abs=1e-4)
    assert [row["step"] for row in logs[1]] == [row["step"] for row in logs[0]]
