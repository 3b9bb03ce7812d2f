"""Feature extraction: real pictures, real networks, bad files, and a run that is killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PIL
from PIL import ImageFile
from safetensors.torch import save_file

from probing_vlp.data import extract as module
from probing_vlp.data.backbones import Backbone, fill, load_backbone, read_weights, squeeze
from probing_vlp.data.build_assets import FEATURES, write_features
from probing_vlp.data.extract import ExtractConfig, extract, pick_device, read_picture, to_storage
from probing_vlp.data.features import FeatureStore
from probing_vlp.data.splits import load_data
from probing_vlp.data.visuals import find_images
from probing_vlp.errors import UserError
from probing_vlp.records import Image, Pixels

COUNT = 12


def paint(path: Path, seed: int, size: tuple[int, int] = (40, 30), **options: object) -> None:
    """A picture of random blocks, which survive JPEG."""
    blocks = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.fromarray(blocks).resize(size, PIL.Resampling.BICUBIC).save(path, **options)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """images/0.jpg ... and captions.csv."""
    lines = ["file_name,caption,split,image_id"]
    for i in range(COUNT):
        paint(tmp_path / "images" / f"{i}.jpg", i, size=(40, 30 + i))
        lines.append(f"{i}.jpg,picture number {i},train,{100 + i}")
    (tmp_path / "captions.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def config(folder: Path, out: str, **options: object) -> ExtractConfig:
    values = {"backbone": f"{__name__}:toy", "device": "cpu", "workers": 1, "batch_size": 5, **options}
    return ExtractConfig(
        str(folder / "images"), folder / out, f"{folder / 'images'},{folder / 'captions.csv'}", **values
    )  # type: ignore[arg-type]


def toy(rest: str = "", checkpoint: Path | None = None) -> Backbone:
    """Mean colour and one convolution: a real network, of 6 numbers a picture."""
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 3, 3)
    preprocess = squeeze(16, PIL.Resampling.BILINEAR, (0.0,) * 3, (1.0,) * 3)
    return Backbone(
        "toy",
        network,
        preprocess,
        lambda x: torch.cat([x.mean((2, 3)), network(x).mean((2, 3))], 1),
        {"preprocess": "16 px"},
    )


def test_mean_colour_of_a_plain_picture(tmp_path: Path) -> None:
    PIL.new("RGB", (10, 20), (255, 51, 0)).save(tmp_path / "a.png")  # 255/255, 51/255, 0/255
    store = extract([Pixels(4, tmp_path / "a.png")], toy(), tmp_path / "out")
    np.testing.assert_allclose(store.rows([4])[0, :3], [1.0, 0.2, 0.0], atol=1e-6)
    assert store.index.file_names == ("a.png",)


def test_squeeze_normalises_and_keeps_the_whole_picture() -> None:
    picture = PIL.new("RGB", (4, 2), (0, 0, 0))
    picture.paste((255, 255, 255), (2, 0, 4, 2))  # right half white
    x = squeeze(2, PIL.Resampling.BOX, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))(picture)
    assert x.tolist() == [[[-2.0, 2.0], [-2.0, 2.0]]] * 3  # (0 - .5) / .25, (1 - .5) / .25


def test_run_makes_the_features_of_a_data_source(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module.run(config(folder, "out", dtype="float16"))
    store = FeatureStore.open(folder / "out")
    assert store.image_ids == tuple(range(100, 100 + COUNT))
    assert (store.backbone, store.dim, store.index.dtype) == ("toy", 6, "float16")
    assert f"{COUNT} x 6 float16, toy" in capsys.readouterr().out
    module.run(config(folder, "out", dtype="float16", resume=True))  # complete: nothing to do
    with pytest.raises(UserError, match="is there already"):
        module.run(config(folder, "out", dtype="float16"))


def test_efficientnet_lite0_does_not_depend_on_the_batch_size(folder: Path) -> None:
    pixels = [Pixels(i, folder / "images" / f"{i}.jpg") for i in range(4)]
    backbone = load_backbone("efficientnet-lite0")
    one, four = (extract(pixels, backbone, folder / f"b{n}", batch_size=n).rows(range(4)) for n in (1, 4))
    assert four.shape == (4, 1280)
    np.testing.assert_allclose(one, four, atol=1e-5)
    assert four.min() >= 0 and four.max() <= 6  # pooled after a ReLU6
    assert np.linalg.norm(four[0] - four[1]) > 1  # it saw different pictures


def test_features_of_the_assets_are_remade(tmp_path: Path) -> None:
    for i in range(3):
        paint(tmp_path / "images" / f"{i}.jpg", i)
    urls = {1: "http://creativecommons.org/licenses/by-nc/2.0/", 4: "http://creativecommons.org/licenses/by/2.0/"}
    (tmp_path / "captions_val.json").write_text(
        json.dumps(
            {
                "licenses": [{"id": key, "url": url, "name": ""} for key, url in urls.items()],
                "images": [{"id": 9 - i, "file_name": f"{i}.jpg", "license": (4, 1, 4)[i]} for i in range(3)],
                "annotations": [{"id": i, "image_id": 9 - i, "caption": "a picture"} for i in range(3)],
            }
        )
    )
    for _ in range(2):  # the second replaces the first
        assert write_features(tmp_path, tmp_path / "features") == 2
    store = FeatureStore.open(tmp_path / "features")
    assert store.image_ids == (7, 9)  # by id; image 8 is not free
    assert sorted(path.name for path in tmp_path.iterdir()) == ["captions_val.json", "features", "images"]


@pytest.mark.skipif("PROBING_VLP_DATA" not in os.environ, reason="PROBING_VLP_DATA is not set")
def test_embedded_features_are_those_of_the_photographs() -> None:
    images = load_data("embedded").images[::400]
    pixels = find_images(images, [str(Path(os.environ["PROBING_VLP_DATA"], "coco-sample/images"))])
    backbone = load_backbone("efficientnet-lite0")
    remade = backbone.encode(torch.stack([backbone.preprocess(read_picture(item.path)) for item in pixels])).numpy()
    embedded = FeatureStore.open(FEATURES).rows([image.image_id for image in images])
    np.testing.assert_allclose(remade, embedded, atol=4e-3)  # half the step of float16 below 6 is 2e-3


def test_a_killed_run_resumes_to_the_same_bytes(folder: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nimport test_extract as t\n"
        "from probing_vlp.data import extract as e\n"
        "folder, out, cut = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])\n"
        "class Slow(e.FeatureWriter):\n"
        "    def write(self, rows):\n"
        "        super().write(rows)\n"
        "        if self.done >= cut:\n"
        "            print('cut', flush=True); sys.stdin.read()\n"  # waits there to be killed
        "e.FeatureWriter = Slow\n"
        "e.run(t.config(folder, out, batch_size=2, resume=True))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    module.run(config(folder, "whole", batch_size=2))
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder), "cut", "6"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and any(line.strip() == "cut" for line in process.stdout)
    process.kill()
    process.communicate()
    assert not (folder / "cut").exists() and (folder / "cut.partial").exists()
    with pytest.raises(UserError, match="unfinished features are there"):
        module.run(config(folder, "cut", batch_size=2))
    with pytest.raises(UserError, match="another dtype"):
        module.run(config(folder, "cut", batch_size=2, dtype="float16", resume=True))
    module.run(config(folder, "cut", batch_size=2, resume=True))
    for name in ("features.npy", "index.json"):
        assert (folder / "cut" / name).read_bytes() == (folder / "whole" / name).read_bytes()


def test_resume_with_another_backbone_is_refused(folder: Path) -> None:
    module.run(config(folder, "out"))
    with pytest.raises(UserError, match=r"another backbone \(toy there, efficientnet-lite0 now\)"):
        module.run(config(folder, "out", backbone="efficientnet-lite0", resume=True))


def test_a_truncated_jpeg_is_never_loaded(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg", 1, size=(120, 90), quality=95)
    whole = (tmp_path / "a.jpg").read_bytes()
    ImageFile.LOAD_TRUNCATED_IMAGES = True  # as a library in the same process may have set it
    for cut in np.linspace(0, len(whole) - 3, 25).astype(int):
        (tmp_path / "b.jpg").write_bytes(whole[:cut])
        with pytest.raises(UserError, match=r"b\.jpg: not a whole image"):
            read_picture(tmp_path / "b.jpg")
    assert read_picture(tmp_path / "a.jpg").size == (120, 90)


def test_a_truncated_jpeg_stops_the_run_which_can_go_on(folder: Path) -> None:
    path = folder / "images/7.jpg"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"7\.jpg: not a whole image .* fetch it again") as caught:
        module.run(config(folder, "out"))
    assert "\n" not in str(caught.value)
    assert not (folder / "out").exists()
    path.write_bytes(whole)
    module.run(config(folder, "out", resume=True))
    module.run(config(folder, "whole"))
    assert (folder / "out/features.npy").read_bytes() == (folder / "whole/features.npy").read_bytes()


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "1"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    PIL.new(mode, (3, 3)).save(path)
    assert read_picture(path).mode == "RGB"


def test_exif_orientation_is_ignored(tmp_path: Path) -> None:
    exif = PIL.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees to show it"
    paint(tmp_path / "a.jpg", 1, size=(40, 20), exif=exif)
    assert read_picture(tmp_path / "a.jpg").size == (40, 20)


def test_missing_images_are_counted_and_named(folder: Path) -> None:
    (folder / "images/3.jpg").rename(folder / "images/x.jpg")
    images = [Image(i, f"{i}.jpg", "train") for i in range(2, 5)]
    with pytest.raises(UserError, match=r"1 of 3 images are missing in .*: 3\.jpg"):
        find_images(images, [str(folder / "images")])
    with pytest.raises(UserError, match=r"nowhere: no such folder of images"):
        find_images(images, [str(folder / "nowhere")])
    with pytest.raises(UserError, match="no such image"):
        read_picture(folder / "images/3.jpg")


def test_sub_folders_of_coco(tmp_path: Path) -> None:
    name, other = "COCO_val2014_000000000042.jpg", "COCO_train2014_000000000009.jpg"
    for path in (tmp_path / "a/val2014" / name, tmp_path / "b" / other):
        paint(path, 0)
    found = find_images(
        [Image(42, name, "test"), Image(9, other, "train", folder="train2014")],
        [str(tmp_path / "a"), str(tmp_path / "b")],
    )
    assert [pixels.path for pixels in found] == [tmp_path / "a/val2014" / name, tmp_path / "b" / other]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet11", "unknown backbone 'resnet11'; did you mean resnet101?"),
        ("timm:resnet9999", "is no timm model; did you mean resnet"),
        ("open_clip:ViT-B-33:openai", "is no open_clip architecture; did you mean ViT-B-32"),
        ("open_clip:ViT-B-32:laion", r"is no pretrained tag of ViT-B-32 \(nor a file\); did you mean laion"),
        ("open_clip:ViT-B-32", "is no pretrained tag"),
        ("no.such:Thing", "there is no module no.such"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_backbone(name)


def test_a_download_that_fails_names_the_local_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # the discard port: nobody answers there
    with pytest.raises(UserError, match=r"resnet101: its weights cannot be fetched \(.*--checkpoint PATH"):
        load_backbone("resnet101")


def test_local_weights_of_resnet101(tmp_path: Path) -> None:
    from torchvision.models import resnet101

    weights = {key: value.half() for key, value in resnet101(weights=None).state_dict().items()}
    torch.save({"state_dict": weights}, tmp_path / "w.pth")
    backbone = load_backbone("resnet101", tmp_path / "w.pth")
    assert backbone.dim == 2048
    assert backbone.network.state_dict()["conv1.weight"].equal(weights["conv1.weight"].float())
    assert backbone.details["weights"].startswith("w.pth sha256:")


def test_local_weights_of_timm_and_open_clip(tmp_path: Path) -> None:
    import open_clip
    import timm

    torch.save(timm.create_model("test_vit", pretrained=False).state_dict(), tmp_path / "vit.pth")
    vit = load_backbone("timm:test_vit", tmp_path / "vit.pth")
    torch.save(open_clip.create_model("ViT-S-32-alt").state_dict(), tmp_path / "clip.pt")
    clip = load_backbone(f"open_clip:ViT-S-32-alt:{tmp_path / 'clip.pt'}")
    assert (vit.dim, clip.dim, clip.name) == (64, 256, "open_clip:ViT-S-32-alt")
    picture = PIL.new("RGB", (50, 30), (9, 99, 200))
    assert clip.encode(clip.preprocess(picture)[None]).isfinite().all()
    with pytest.raises(UserError, match="not weights of this architecture"):
        load_backbone("open_clip:ViT-S-32-alt", tmp_path / "vit.pth")


def test_weights_that_do_not_fit_or_are_no_weights(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3, 3, 3, 3)}, tmp_path / "half.pth")
    torch.save({"weight": torch.zeros(2, 2), "bias": torch.zeros(3)}, tmp_path / "shape.pth")
    torch.save({"code": Path}, tmp_path / "code.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "text.safetensors").write_text("hello")
    for name, message in (
        ("half.pth", "lacks 1 of 2 weights.*: bias"),
        ("shape.pth", "lacks 1 of 2.*: weight"),
        ("none.pth", "no such checkpoint"),
        ("code.pth", "not a safetensors file nor"),
        ("text.pth", "not a safetensors file nor"),
        ("text.safetensors", "not a safetensors file"),
        ("list.pth", "holds no table"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            fill(torch.nn.Conv2d(3, 3, 3), tmp_path / name)
        assert "\n" not in str(caught.value)
    save_file({"module.weight": torch.ones(1)}, tmp_path / "whole.safetensors")
    for name in ("half.pth", "whole.safetensors"):
        assert list(read_weights(tmp_path / name)) == ["weight"]


def test_features_that_the_type_cannot_hold(tmp_path: Path) -> None:
    pixels = [Pixels(1, Path("a.jpg")), Pixels(2, Path("b.jpg"))]
    features = np.array([[1.0, 2.0], [70000.0, 0.0]], np.float32)  # float16 ends at 65,504
    with pytest.raises(UserError, match=r"b\.jpg: its features are not finite in float16"):
        to_storage(features, "float16", pixels)
    assert to_storage(features, "float32", pixels).tolist() == features.tolist()


def test_devices() -> None:
    assert pick_device("auto").type in ("cpu", "cuda")
    with pytest.raises(UserError, match="--device gpu"):
        pick_device("gpu")


def test_settings_that_make_no_sense(folder: Path) -> None:
    with pytest.raises(UserError, match="must be 1 or more"):
        module.run(config(folder, "out", batch_size=0))
