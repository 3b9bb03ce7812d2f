"""Regions that are made here: cells of feature maps, finds of detectors, and the folder that holds them."""

import functools
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image as PIL
from torch import Tensor, nn

from probing_vlp.cli import main
from probing_vlp.data import grid, region_store
from probing_vlp.data.backbones import Backbone, load_backbone, squeeze
from probing_vlp.data.extract import read_picture
from probing_vlp.data.features import FeatureWriter
from probing_vlp.data.grid import Cells, GridConfig, as_map, cell_edges, feature_map, make_regions, view
from probing_vlp.data.region_detector import CLASSES_OF, Detector, load_detector
from probing_vlp.data.region_file import trouble_of
from probing_vlp.data.regions import open_regions
from probing_vlp.errors import UserError
from probing_vlp.records import Image, Pixels
from probing_vlp.torchvision_cpu import ensure_torchvision


class Quarters(nn.Module):
    """A network whose feature map is the mean colour of each quarter of the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(1))

    def forward_features(self, x: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(x, 2) * self.one

    num_features = 3


def toy(rest: str = "", checkpoint: Path | None = None) -> Backbone:
    network = Quarters()
    preprocess = squeeze(8, PIL.Resampling.BOX, (0.0,) * 3, (1.0,) * 3)
    return Backbone("toy", network, preprocess, lambda x: network.forward_features(x).mean((2, 3)), {"size": "8"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """images/0.png ... 4.png, each of four plain quarters, and captions.csv."""
    lines = ["file_name,caption,split,image_id"]
    (tmp_path / "images").mkdir()
    for i in range(5):
        colours = np.random.default_rng(i).integers(0, 256, (2, 2, 3), dtype=np.uint8)
        PIL.fromarray(colours).resize((40, 20 + 20 * i), PIL.Resampling.NEAREST).save(tmp_path / f"images/{i}.png")
        lines.append(f"{i}.png,picture number {i},train,{100 + i}")
    (tmp_path / "captions.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def pixels_of(folder: Path) -> list[Pixels]:
    return [Pixels(100 + i, folder / f"images/{i}.png") for i in range(5)]


def config(folder: Path, out: str, **options: object) -> GridConfig:
    values = {"backbone": f"{__name__}:toy", "device": "cpu", "workers": 1, "batch_size": 2, **options}
    data = f"{folder / 'images'},{folder / 'captions.csv'}"
    return GridConfig(str(folder / "images"), folder / out, data, **values)  # type: ignore[arg-type]


def test_cells_are_the_quarters_of_the_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid.run(config(folder, "out"))
    assert "5 images x 4 regions x 3 float16, toy" in capsys.readouterr().out
    file = open_regions(folder / "out")
    assert (file.kind, file.stored, len(file)) == ("grid", "float16", 5)
    assert "cells: 2 x 2 of 2 x 2" in file.describe()
    for i in range(5):
        found = file.get(Image(100 + i, f"{i}.png", "train"))
        colours = np.random.default_rng(i).integers(0, 256, (2, 2, 3), dtype=np.uint8) / 255
        np.testing.assert_allclose(found.features, colours.reshape(4, 3), atol=5e-4)  # float16: 11 bits
        h = 20 + 20 * i
        assert (found.width, found.height, found.confidence) == (40, h, None)
        halves = [[0, 0, 20, h / 2], [20, 0, 40, h / 2], [0, h / 2, 20, h], [20, h / 2, 40, h]]
        np.testing.assert_allclose(found.boxes, halves)
        assert trouble_of(found) == ""


def test_pooled_cells_overlap_as_adaptive_pooling_does() -> None:
    assert cell_edges(7, 7) == [(i, i + 1) for i in range(7)]
    assert cell_edges(7, 4) == [(0, 2), (1, 4), (3, 6), (5, 7)]  # i * 7 / 4 down to (i + 1) * 7 / 4 up
    line = torch.arange(7.0)[None, None]
    means = [line[0, 0, a:b].mean().item() for a, b in cell_edges(7, 4)]
    assert nn.functional.adaptive_avg_pool1d(line, 4)[0, 0].tolist() == means == [0.5, 2.0, 4.0, 5.5]


def test_efficientnet_lite0_gives_7_x_7_cells_whose_mean_is_its_feature_vector(folder: Path) -> None:
    backbone = load_backbone("efficientnet-lite0")
    pixels = pixels_of(folder)[:2]
    whole = backbone.encode(torch.stack([backbone.preprocess(read_picture(p.path)) for p in pixels])).numpy()
    for cells, regions in ((None, 49), (4, 16), (1, 1)):
        maker = Cells(backbone, cells)
        assert (maker.regions, maker.dim) == (regions, 1280)
        made = make_regions(pixels, maker, folder / f"out{cells}", "float32")
        for row in range(2) if cells != 4 else ():  # overlapping cells weigh some places twice
            np.testing.assert_allclose(made.at(row).features.mean(0), whole[row], atol=1e-5)
    # the cell in row 2, column 1 of 4 x 4: columns 1 to 4 and rows 3 to 6 of 7, in 40 x 20 pixels
    box = [40 * 1 / 7, 20 * 3 / 7, 40 * 4 / 7, 20 * 6 / 7]
    np.testing.assert_allclose(open_regions(folder / "out4").get(Image(100, "", "")).boxes[2 * 4 + 1], box, rtol=1e-6)
    with pytest.raises(UserError, match="--cells 8: efficientnet-lite0 gives 7 x 7; give fewer"):
        Cells(backbone, 8)


def test_cells_do_not_depend_on_the_batch_size(folder: Path) -> None:
    one, four = (make_regions(pixels_of(folder), Cells(toy()), folder / f"b{n}", batch_size=n) for n in (1, 4))
    for row in range(5):
        np.testing.assert_array_equal(one.at(row).features, four.at(row).features)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        # the shorter side becomes 168 and the middle 160 are kept: 4 of 168 go at each end, of 480 px 11.43;
        # 640 x 480 becomes 224 x 168, and 32 of 224 go at each end, of 640 px 91.43
        ((640, 480), (91.43, 11.43, 548.57, 468.57)),
        # 375 x 500 becomes 168 x 224: 4 of 168 are 8.93 px, 32 of 224 are 71.43
        ((375, 500), (8.93, 71.43, 366.07, 428.57)),
        ((160, 160), (3.81, 3.81, 156.19, 156.19)),  # 4 of 168 are 3.81 of 160
    ],
)
def test_what_is_left_of_a_picture_after_cropping(size: tuple[int, int], expected: tuple[float, ...]) -> None:
    ensure_torchvision()
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

    steps = [Resize(168, InterpolationMode.BICUBIC), CenterCrop(160), ToTensor(), Normalize((0.5,) * 3, (0.2,) * 3)]
    np.testing.assert_allclose(view(Compose(steps), size), expected, atol=0.4)


@pytest.mark.parametrize("size", [(640, 480), (31, 500), (8, 8)])
def test_the_whole_picture_is_seen_where_nothing_is_cropped(size: tuple[int, int]) -> None:
    for resample in (PIL.Resampling.BILINEAR, PIL.Resampling.BICUBIC):
        assert view(squeeze(224, resample, (0.4, 0.5, 0.6), (0.2,) * 3), size) == (0, 0, *size)


def test_feature_maps_of_timm_open_clip_and_torchvision(tmp_path: Path) -> None:
    import open_clip
    import timm

    ensure_torchvision()
    from torchvision.models.resnet import BasicBlock, ResNet

    for name, shape in (("test_vit", (1, 64, 10, 10)), ("test_efficientnet", (1, 256, 5, 5))):
        torch.save(timm.create_model(name, pretrained=False).state_dict(), tmp_path / "w.pth")
        backbone = load_backbone(f"timm:{name}", tmp_path / "w.pth")
        assert feature_map(backbone)(torch.zeros(1, 3, 160, 160)).shape == shape
    torch.save(open_clip.create_model("ViT-S-32-alt").state_dict(), tmp_path / "clip.pt")
    clip = load_backbone(f"open_clip:ViT-S-32-alt:{tmp_path / 'clip.pt'}")
    assert feature_map(clip)(torch.zeros(1, 3, 224, 224)).shape == (1, 384, 7, 7)
    network = ResNet(BasicBlock, [1, 1, 1, 1]).eval()
    network.fc = nn.Identity()  # type: ignore[assignment]
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        found = feature_map(Backbone("resnet", network, toy().preprocess, network, {}))(x)
        torch.testing.assert_close(found.mean((2, 3)), network(x))
    assert found.shape == (1, 512, 2, 2) and not network.layer4._forward_hooks
    plain = nn.Conv2d(3, 2, 1)
    with pytest.raises(UserError, match="backbone flat: no feature map to be had"):
        feature_map(Backbone("flat", plain, toy().preprocess, lambda x: plain(x).mean((2, 3)), {}))


def test_tokens_and_channels_last_become_maps() -> None:
    tokens = torch.arange(14.0).view(1, 7, 2)  # one class token, then 2 x 3 places of 2 numbers
    network = SimpleNamespace(num_prefix_tokens=1, patch_embed=SimpleNamespace(grid_size=(2, 3)), num_features=2)
    assert as_map(network, tokens)[0].tolist() == [[[2, 4, 6], [8, 10, 12]], [[3, 5, 7], [9, 11, 13]]]
    swin = torch.arange(24.0).view(1, 2, 3, 4)
    assert as_map(SimpleNamespace(num_features=4), swin)[0, 1].tolist() == [[1, 5, 9], [13, 17, 21]]


# --- a run that is cut off


class Died(Exception):
    pass


@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_a_run_that_was_cut_off_ends_in_the_same_bytes(
    moment: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut before an image's part is written, after what stands beside the features, after the features."""
    grid.run(config(folder, "whole"))
    write, count = FeatureWriter.write, iter(range(9))

    def dying(self: FeatureWriter, rows: np.ndarray) -> None:
        second = next(count) == 1
        if second and moment == "between":
            raise Died
        write(self, rows)
        if second and moment == "after":
            raise Died

    def refuse(*_: object) -> None:
        if moment == "before" and next(count) == 3:
            raise Died

    with monkeypatch.context() as patch, pytest.raises(Died):
        if moment == "before":
            real = region_store.write_rows
            patch.setattr(region_store, "write_rows", lambda *a: (refuse(), real(*a)))
        else:
            patch.setattr(FeatureWriter, "write", dying)
        grid.run(config(folder, "cut"))
    with pytest.raises(UserError, match=r"not finished, .*--resume"):
        open_regions(folder / "cut")
    with pytest.raises(UserError, match="unfinished features are there"):
        grid.run(config(folder, "cut"))
    with pytest.raises(UserError, match="another details"):
        grid.run(config(folder, "cut", cells=1, resume=True))
    grid.run(config(folder, "cut", resume=True))
    names = sorted(path.name for path in (folder / "whole").iterdir())
    assert names == ["boxes.npy", "confidence.npy", "features.npy", "index.json", "sizes.npy"]
    assert sorted(path.name for path in (folder / "cut").iterdir()) == names
    for name in names:
        assert (folder / "cut" / name).read_bytes() == (folder / "whole" / name).read_bytes()


def test_damaged_folders(folder: Path) -> None:
    grid.run(config(folder, "out"))
    out = folder / "out"
    for name in ("boxes.npy", "features.npy", "sizes.npy"):
        whole = (out / name).read_bytes()
        (out / name).write_bytes(whole[:-1])
        with pytest.raises(UserError, match=rf"{name}: not a whole .npy file"):
            open_regions(out)
        np.save(out / name, np.zeros((1, 2)))
        with pytest.raises(UserError, match=rf"{name}: holds float64 \(1, 2\), but index.json says"):
            open_regions(out)
        (out / name).write_bytes(whole)
    index = json.loads((out / "index.json").read_text())
    del index["regions"]
    (out / "index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"index.json: not a feature index \(KeyError\('regions'\)\)"):
        open_regions(out)


def test_mistakes_leave_nothing_behind(folder: Path) -> None:
    for options, message in (
        ({"cells": 3}, "--cells 3: toy gives 2 x 2"),
        ({"cells": 0}, "--cells 0: must be 1 or more"),
        ({"batch_size": 0}, "--batch_size 0"),
        ({"detector": "yolo"}, "--detector yolo: not one of fasterrcnn_"),
        ({"detector": "fasterrcnn_resnet50_fpn_v2", "regions": 0}, "--regions 0"),
        ({"backbone": "nothing"}, "unknown backbone"),
    ):
        with pytest.raises(UserError, match=message):
            grid.run(config(folder, "out", **options))
    (folder / "images/0.png").write_bytes(b"x")
    with pytest.raises(UserError, match=r"0\.png: not a whole image"):
        grid.run(config(folder, "out"))
    assert sorted(path.name for path in folder.iterdir()) == ["captions.csv", "images"]


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import probe

    given = config(folder, "out", cells=1)
    words = ["--images", given.images, "--data", given.data, "--out", str(given.out), "--backbone", given.backbone]
    main("probe.py", "", probe.COMMANDS, ["regions", "grid", *words, "--cells", "1", "--device", "cpu"])
    assert "5 images x 1 regions x 3 float16, toy" in capsys.readouterr().out


# --- detectors


@functools.cache
def network() -> nn.Module:
    """A small Faster R-CNN of random weights; it knows four things."""
    ensure_torchvision()
    from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn

    torch.manual_seed(0)
    return fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None, num_classes=5, min_size=64)


def test_finds_of_a_detector(folder: Path) -> None:
    pixels = pixels_of(folder)[2:4]
    made = make_regions(pixels, Detector("toy", network(), "random", 6, 0.0), folder / "out", "float32", 1)
    assert made.describe()[0] == "made with: toy"
    for row, height in ((0, 60), (1, 80)):
        found = made.at(row)  # checks the boxes against the size of the picture
        assert (found.width, found.height) == (40, height)
        assert found.features.shape == (6, 1024) and found.features.min() >= 0  # after a ReLU
        assert found.confidence is not None and (np.diff(found.confidence) <= 0).all()
        assert len(np.unique(found.boxes, axis=0)) == 6
    nothing = make_regions(pixels, Detector("toy", network(), "random", 6, 0.99), folder / "none", "float32", 1)
    found = nothing.at(0)
    assert found.boxes.tolist() == [[0, 0, 40, 60]] and found.confidence is not None
    assert found.confidence.tolist() == [0] and found.features.shape == (1, 1024)


def test_weights_of_a_detector_from_a_file(tmp_path: Path) -> None:
    state = network().state_dict()
    torch.save(state, tmp_path / "w.pth")
    detector = load_detector("fasterrcnn_mobilenet_v3_large_320_fpn", tmp_path / "w.pth")
    assert detector.dim == 1024 and detector.details["weights"].startswith("w.pth sha256:")
    torch.save({key: value for key, value in state.items() if key != CLASSES_OF}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=re.escape(f"has no {CLASSES_OF}; give the weights")):
        load_detector("fasterrcnn_mobilenet_v3_large_320_fpn", tmp_path / "w.pth")
