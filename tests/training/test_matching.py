"""Training of small region models: hard negatives and the loss by hand, runs that learn, resume and save a scorer."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from probing_vlp.data.features import FeatureIndex, FeatureWriter
from probing_vlp.data.region_store import RegionIndex, RegionRows, RegionWriter, StoredRegions
from probing_vlp.data.splits import load_data
from probing_vlp.data.visuals import DataConfig
from probing_vlp.errors import UserError
from probing_vlp.scorers import load_scorer
from probing_vlp.training.hard_negatives import draw_negatives
from probing_vlp.training.matcher import matching_loss, mean
from probing_vlp.training.matching import Trainer
from probing_vlp.training.options import REGION_MODELS, MatchingOptions, ScorerOptions, run
from probing_vlp.training.pairs import PairTable

THINGS = ["dog", "cat", "bus", "cake", "boat", "horse"]
WIDTH = 8


def draw(similarity: list[list[float]], owner: list[int], count: int) -> tuple[list[list[int]], list[list[int]]]:
    generator = torch.Generator().manual_seed(0)
    images, captions = draw_negatives(torch.tensor(similarity), torch.tensor(owner), count, 1e-3, generator)
    return images.tolist(), captions.tolist()


def test_the_hardest_negatives_are_of_other_images() -> None:
    # pairs 0 and 1 are of one image, so each looks at pairs 2 and 3 alone, however alike they are; at a temperature of
    # 0.001 the most similar is drawn first: differences of 0.1 outweigh any noise
    similarity = [[0.9, 0.9, 0.1, 0.3], [0.8, 0.9, 0.4, 0.2], [0.3, 0.5, 0.9, 0.1], [0.6, 0.2, 0.4, 0.9]]
    images, captions = draw(similarity, [7, 7, 8, 9], 1)
    assert images == [[3], [2], [1], [0]]  # largest of each row but for its own image
    assert captions == [
        [3],
        [2],
        [1],
        [0],
    ]  # of the columns: 0.6 of 0.3, 0.6; 0.5 of 0.5, 0.2; 0.4 (row 1); 0.3 (row 0)


def test_negatives_do_not_repeat_and_there_must_be_enough() -> None:
    zeros = [[0.0] * 4 for _ in range(4)]
    images, _ = draw(zeros, [0, 1, 2, 3], 3)
    assert [sorted(row) for row in images] == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    with pytest.raises(ValueError, match="more than the batch has"):
        draw(zeros, [0, 0, 2, 3], 3)


def test_harder_negatives_are_drawn_in_proportion() -> None:
    similarity = torch.tensor([[0.0, math.log(3), 0.0]] + [[0.0] * 3] * 2)
    generator = torch.Generator().manual_seed(0)
    owner = torch.arange(3)
    drawn = [draw_negatives(similarity, owner, 1, 1.0, generator)[0][0].item() for _ in range(2000)]
    assert drawn.count(1) / 2000 == pytest.approx(3 / 4, abs=0.03)  # e^log 3 against e^0


def test_matching_loss_by_hand() -> None:
    # one true pair with log-odds 2, one other image 0, one other caption 0:
    # matches: log(1 + e^-2) + 2 log 2 over three pairs; finding: log(1 + e^-2) among images, and among captions, halved
    expected = (math.log(1 + math.exp(-2)) + 2 * math.log(2)) / 3 + math.log(1 + math.exp(-2))
    assert matching_loss(torch.tensor([[2.0, 0.0, 0.0]])).item() == pytest.approx(expected)


def test_mean_leaves_padding_out() -> None:
    x = torch.tensor([[[1.0], [3.0], [100.0]]])
    assert mean(x, torch.tensor([[True, True, False]])).item() == 2


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> DataConfig:
    """72 images of six things on two regions: one says which thing it is, and so does each of two captions."""
    folder, count = tmp_path_factory.mktemp("toy"), 72
    (folder / "images").mkdir()
    rows = ["image_id,file_name,split,caption"]
    for i in range(count):
        thing, split = THINGS[i % 6], ("train", "train", "train", "train", "val", "test")[i // 12]
        (folder / "images" / f"{i}.jpg").touch()
        rows += [f"{i},{i}.jpg,{split},A {thing} in view.", f"{i},{i}.jpg,{split},there is a {thing} number {i % 3}"]
    (folder / "captions.csv").write_text("\n".join(rows) + "\n")
    generator = np.random.default_rng(0)
    features = generator.normal(0, 0.1, (count, 2, WIDTH)).astype(np.float32)
    features[np.arange(count), np.arange(count) % 2] += generator.normal(0, 1, (6, WIDTH))[np.arange(count) % 6]
    names = tuple(f"{i}.jpg" for i in range(count))
    save_regions(folder / "regions", features, names)
    writer = FeatureWriter(folder / "features", FeatureIndex("toy", 4, "float32", tuple(range(count)), names))
    writer.write(np.zeros((count, 4), np.float32))
    writer.finish()
    return DataConfig(
        source=f"{folder / 'images'},{folder / 'captions.csv'}",
        features=str(folder / "features"),
        regions=str(folder / "regions"),
    )


def save_regions(folder: Path, features: np.ndarray, names: tuple[str, ...]) -> None:
    """Two regions an image, left and right half of 20 x 10 pixels."""
    count, regions, width = features.shape
    index = RegionIndex("toy", width, "float32", tuple(range(count)), names, {}, regions)
    boxes = np.tile(np.array([[0, 0, 10, 10], [10, 0, 20, 10]], np.float32), (count, 1, 1))
    with RegionWriter(folder, index) as writer:
        unknown, sizes = np.full((count, regions), np.nan, np.float32), np.tile([20, 10, regions], (count, 1))
        writer.write_regions(RegionRows(features, boxes, unknown, sizes))
        writer.finish_folder()


@pytest.fixture
def config(toy: DataConfig, tmp_path: Path) -> ScorerOptions:
    options = MatchingOptions(
        hidden=32,
        layers=1,
        heads=2,
        align_steps=6,
        match_steps=6,
        batch_size=16,
        match_batch=8,
        negatives=2,
        align_rate=5e-3,
        learning_rate=2e-3,
        word_dropout=0.1,
        validate_every=4,
        validate_images=12,
    )
    return ScorerOptions(run=str(tmp_path / "run"), data=toy, min_count=0, arch="uniter", matching=options)


def state(config: ScorerOptions) -> list[bytes]:
    """All that a run leaves behind, but for its own configuration."""
    folder = Path(config.run)
    names = ["checkpoints/last.safetensors", "checkpoints/best.safetensors", "log.jsonl"]
    return [
        (folder / name).read_bytes() for name in [*names, *(f"scorer/{p.name}" for p in (folder / "scorer").iterdir())]
    ]


def log(config: ScorerOptions) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(config.run) / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("arch", REGION_MODELS)
def test_learns_and_saves_a_scorer_that_scores_as_the_trained_network(
    config: ScorerOptions, arch: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Trainer] = []
    fit = Trainer.fit
    monkeypatch.setattr(Trainer, "fit", lambda trainer: (kept.append(trainer), fit(trainer)))
    # at random, as the hardest negatives are other images of the same thing here
    options = replace(config.matching, align_steps=60, match_steps=120, validate_every=60)
    options = replace(options, temperature=100.0, feature_dropout=0.0, match_batch=16)
    run(replace(config, arch=arch, matching=options, export=f"{config.run}-export"))
    lines = log(config)
    assert [line["step"] for line in lines] == [60, 120, 180]
    assert lines[2]["loss"] < lines[1]["loss"]
    assert "test, 12 images, one caption each: caption to image r1" in capsys.readouterr().out
    scorer: Any = load_scorer(arch, checkpoint=f"{config.run}-export")
    assert scorer.mini["note"] == "mini, trained here"
    data, regions = load_data(config.data.source), StoredRegions(Path(str(config.data.regions)))
    images = data.split("test")
    encoded = scorer.encode([regions.get(image) for image in images])
    first = [data.captions[image.image_id][0] for image in images]
    scores = np.stack([scorer.score(encoded, [caption] * len(images)).numpy() for caption in first], 1)
    assert scores == pytest.approx(kept[0].scores("test"), abs=1e-6)
    # images i and i + 6 show the same thing
    same = np.arange(12)[:, None] % 6 == np.arange(12) % 6
    assert scores[same].mean() > 1.15 * scores[~same].mean()
    assert scorer.mini["provenance"]["retrieval"]["test"]["images"] == 12


def test_resumed_run_ends_bit_for_bit_as_an_uninterrupted_one(
    config: ScorerOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(config)
    cut = replace(config, run=f"{config.run}-cut")
    steps = Trainer.step

    def interrupted(trainer: Trainer) -> torch.Tensor:
        if trainer.session.step == 9:  # past the second checkpoint
            raise KeyboardInterrupt
        return steps(trainer)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "step", interrupted)
        run(cut)
    run(replace(cut, resume=True))
    assert state(cut) == state(config)
    run(replace(cut, resume=True))  # already done: nothing changes
    assert state(cut) == state(config)


def test_a_caption_is_drawn_in_both_forms(config: ScorerOptions) -> None:
    run(config)
    scorer: Any = load_scorer("uniter", checkpoint=f"{config.run}/scorer")
    data, regions = load_data(config.data.source), StoredRegions(Path(str(config.data.regions)))
    images = data.split("test")[:1]
    table = PairTable(scorer, data, images, [regions.get(images[0])])
    generator = np.random.default_rng(0)
    drawn = {tuple(table.draw(np.array([0]), 0.0, 1, generator)[0]) for _ in range(60)}
    texts = ["A dog in view.", "a dog in view", "there is a dog number 0"]
    assert drawn == {tuple(scorer.ids(text)) for text in texts}
    assert all(len(set(ids)) > 3 for ids in drawn)  # the words are known


def test_an_image_without_regions_is_named(config: ScorerOptions, toy: DataConfig, tmp_path: Path) -> None:
    few = np.zeros((70, 2, WIDTH), np.float32)
    save_regions(tmp_path / "few", few, tuple(f"{i}.jpg" for i in range(70)))
    with pytest.raises(UserError, match="70"):
        run(replace(config, data=replace(toy, regions=str(tmp_path / "few"))))
    assert not Path(config.run).exists()


def test_regions_of_another_width_than_the_checkpoint(config: ScorerOptions) -> None:
    run(config)
    scorer: Any = load_scorer("uniter", checkpoint=f"{config.run}/scorer")
    regions = StoredRegions(Path(str(config.data.regions))).get(load_data(config.data.source).split("test")[0])
    with pytest.raises(UserError, match=r"features of width 7; uniter takes 8"):
        scorer.encode([replace(regions, features=regions.features[:, :7])])
    with pytest.raises(UserError, match="holds a mini uniter, not lxmert"):
        load_scorer("lxmert", checkpoint=f"{config.run}/scorer")


def test_options_of_another_architecture_are_refused(config: ScorerOptions) -> None:
    with pytest.raises(UserError, match="--epochs is no option of --arch uniter"):
        run(replace(config, epochs=3))
    with pytest.raises(UserError, match="--matching is no option of --arch mini-clip"):
        run(replace(config, arch="mini-clip"))
    with pytest.raises(UserError, match=r"--matching\.negatives 7: a step has too few images"):
        run(replace(config, matching=replace(config.matching, negatives=7)))


def test_without_regions_it_says_what_to_give(config: ScorerOptions, toy: DataConfig) -> None:
    with pytest.raises(UserError, match=r"give --data\.regions"):
        run(replace(config, data=replace(toy, regions=None)))


def test_a_run_of_other_regions_is_not_resumed(config: ScorerOptions, toy: DataConfig, tmp_path: Path) -> None:
    run(config)
    other = np.zeros((72, 2, WIDTH - 1), np.float32)
    save_regions(tmp_path / "other", other, tuple(f"{i}.jpg" for i in range(72)))
    with pytest.raises(UserError, match=r"other words or features .*, 8 wide; now .*, 7 wide\)"):
        run(replace(config, resume=True, data=replace(toy, regions=str(tmp_path / "other"))))
