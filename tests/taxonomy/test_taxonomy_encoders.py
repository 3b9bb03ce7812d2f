"""Frozen image encoders and the cache of their features."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from taxonomy_models import save_dinov2, save_siglip, save_things
from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.model import features
from probing_vlp.taxonomy.model.encoders import Encoder, load_encoder, pooled_cells
from probing_vlp.taxonomy.model.features import Table, encode_images
from probing_vlp.taxonomy.model.options import EncoderOptions

TINY = {"input_size": (3, 28, 28), "mean": (0.5,) * 3, "std": (0.2,) * 3, "first_conv": "patch_embed.proj"}
default_cfgs = timm.models.generate_default_cfgs({"tiny_patch7_reg4_dinov2": {**TINY, "classifier": "head"}})
"""Where timm looks for what it knows of the models of a module."""


@timm.models.register_model
def tiny_patch7_reg4_dinov2(pretrained: bool = False, **options: object) -> torch.nn.Module:
    """DINOv2 with registers in all but its size, as timm builds it."""
    small = {"patch_size": 7, "embed_dim": 16, "depth": 3, "num_heads": 2, "init_values": 1e-5, "reg_tokens": 4}
    made: torch.nn.Module = timm.models.build_model_with_cfg(
        VisionTransformer,
        "tiny_patch7_reg4_dinov2",
        pretrained,
        pretrained_filter_fn=checkpoint_filter_fn,
        **{**small, "no_embed_class": True, "img_size": 28, **options},
    )
    return made


def photograph(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (20, 30, 3)).astype(np.uint8))


def encoded(encoder: Encoder) -> tuple[np.ndarray, np.ndarray]:
    batch = torch.stack([encoder.preprocess(photograph(seed)) for seed in (0, 1)])
    tokens, pooled = encoder.encode(batch)
    again = encoder.encode(batch[1:])
    torch.testing.assert_close(again[0][0], tokens[1], rtol=1e-4, atol=1e-4)  # a picture's features are its own
    return tokens.numpy(), pooled.numpy()


def test_timm_gives_patches_of_the_second_to_last_block(tmp_path: Path) -> None:
    trained = timm.create_model("tiny_patch7_reg4_dinov2")
    save_file(trained.state_dict(), tmp_path / "dino.safetensors")
    options = EncoderOptions("timm:tiny_patch7_reg4_dinov2", tmp_path / "dino.safetensors")
    encoder = load_encoder(options)
    tokens, pooled = encoded(encoder)
    assert tokens.shape == (2, 16, 16) and pooled.shape == (2, 16)  # 28 / 7 = 4 a side
    x = encoder.preprocess(photograph())[None]
    with torch.no_grad():
        inner = trained.eval()._pos_embed(trained.patch_embed(x))
        for block in trained.blocks[:-1]:
            inner = block(inner)
        final = trained.norm(trained.blocks[-1](inner))
    np.testing.assert_allclose(tokens[0], inner[0, 5:], atol=1e-5)  # a class token and four registers before them
    np.testing.assert_allclose(pooled[0], final[0].mean(0), atol=1e-5)
    smaller = load_encoder(EncoderOptions(options.name, options.checkpoint, pixels=14))
    assert encoded(smaller)[0].shape == (2, 4, 16)  # positions of 4 x 4 patches brought to 2 x 2


def test_dinov2_of_transformers_is_squeezed_to_what_its_processor_cuts(tmp_path: Path) -> None:
    encoder = load_encoder(EncoderOptions(str(save_dinov2(tmp_path))))
    tokens, _ = encoded(encoder)
    assert tokens.shape == (2, 4, 16)  # 14 / 7
    x = encoder.preprocess(photograph())
    assert x.shape == (3, 14, 14)
    white = encoder.preprocess(Image.new("RGB", (9, 4), "white"))[:, 0, 0]
    np.testing.assert_allclose(white, (1 - np.array([0.5, 0.4, 0.3])) / [0.2, 0.3, 0.4], rtol=1e-5)
    hidden = encoder.networks[0](pixel_values=x[None], output_hidden_states=True).hidden_states
    assert len(hidden) == 4  # the embeddings and three blocks
    np.testing.assert_allclose(tokens[0], hidden[2][0, 1:], atol=1e-5)


def test_siglip_and_the_fusion_of_two(tmp_path: Path) -> None:
    siglip = EncoderOptions(str(save_siglip(tmp_path / "siglip")))
    tokens, pooled = encoded(load_encoder(siglip))
    assert tokens.shape == (2, 4, 16)  # 16 / 8, and no token before them
    dino = EncoderOptions(str(save_dinov2(tmp_path / "dino")))
    both = load_encoder(EncoderOptions(f"{dino.name}+{siglip.name}"))
    together, means = encoded(both)
    assert together.shape == (2, 4, 32) and means.shape == (2, 32)
    np.testing.assert_allclose(together[:, :, :16], encoded(load_encoder(dino))[0], atol=1e-5)
    np.testing.assert_allclose(together[:, :, 16:], tokens, atol=1e-5)
    np.testing.assert_allclose(means[:, 16:], pooled, atol=1e-5)
    assert sorted(both.details) == sorted(f"{o.name} {k}" for o in (dino, siglip) for k in ("preprocess", "tokens"))


def test_the_offline_encoder_gives_a_grid_of_its_map() -> None:
    tokens, pooled = encoded(load_encoder(EncoderOptions(grid=3)))
    assert tokens.shape == (2, 9, 1280) and pooled.shape == (2, 1280)
    untrained = load_encoder(EncoderOptions("random", grid=3))
    assert untrained.weights == load_encoder(EncoderOptions("random")).weights  # seed 0, whatever ran before
    assert not np.allclose(encoded(untrained)[0], tokens)


def test_cells_are_means() -> None:
    tokens = torch.arange(16.0).view(1, 16, 1)  # rows 0 1 2 3 | 4 5 6 7 | 8 9 10 11 | 12 13 14 15
    assert pooled_cells(tokens, 2).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]  # (0+1+4+5)/4 ...
    assert pooled_cells(tokens, 0) is tokens


@pytest.fixture()
def encoder(tmp_path: Path) -> Encoder:
    return load_encoder(EncoderOptions(str(save_dinov2(tmp_path / "dino"))))


def places(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in sorted(folder.rglob("*.png"))}


def test_each_image_is_encoded_once(tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "CHUNK", 3)
    counted: list[int] = []
    encode = Encoder.encode
    monkeypatch.setattr(Encoder, "encode", lambda self, batch: counted.append(len(batch)) or encode(self, batch))
    images = places(save_things(tmp_path / "things", ["dog", "cat"], 4))
    some = dict(list(images.items())[:5])
    first = encode_images(some, encoder, tmp_path / "cache", bar=False)
    assert sum(counted) == 5
    shutil.copy(images["cat_00.png"], tmp_path / "things" / "copy.png")  # the same photograph by another name
    table = encode_images(places(tmp_path / "things"), encoder, tmp_path / "cache", batch_size=2, bar=False)
    assert sum(counted) == 8
    np.testing.assert_array_equal(table.tokens(list(some)), first.tokens(list(some)))
    np.testing.assert_array_equal(table.tokens(["copy.png"]), table.tokens(["cat_00.png"]))
    one = encoder.encode(torch.stack([encoder.preprocess(Image.open(images["dog_03.png"]).convert("RGB"))]))
    np.testing.assert_allclose(table.tokens(["dog_03.png"])[0], one[0][0], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(table.pooled(["dog_03.png"])[0], one[1][0], rtol=1e-4, atol=1e-4)
    table.save(tmp_path / "table.json")
    assert Table.open(tmp_path / "table.json") == table and table.shape == (4, 16)


def test_an_interrupted_encoding_goes_on(tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "CHUNK", 3)
    images = places(save_things(tmp_path / "things", ["dog"], 8))
    whole = encode_images(images, encoder, tmp_path / "whole", bar=False)
    write, left = features.atomic_write, [5]  # a chunk has three files: the second chunk is cut

    def cut(path: Path, data: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        write(path, data)

    monkeypatch.setattr(features, "atomic_write", cut)
    with pytest.raises(KeyboardInterrupt):
        encode_images(images, encoder, tmp_path / "cut", bar=False)
    monkeypatch.setattr(features, "atomic_write", write)
    table = encode_images(images, encoder, tmp_path / "cut", bar=False)
    np.testing.assert_array_equal(table.tokens(sorted(images)), whole.tokens(sorted(images)))
    assert sorted(p.name for p in tmp_path.glob("cut/*/*")) == sorted(p.name for p in tmp_path.glob("whole/*/*"))


def test_other_weights_and_other_sizes_have_other_features(tmp_path: Path, encoder: Encoder) -> None:
    other = load_encoder(EncoderOptions(str(save_dinov2(tmp_path / "other", seed=1))))
    larger = load_encoder(EncoderOptions(encoder.name, pixels=28))
    assert len({features.key_of(each) for each in (encoder, other, larger)}) == 3
    moved = shutil.copytree(encoder.name, tmp_path / "moved")
    assert features.key_of(load_encoder(EncoderOptions(str(moved)))) == features.key_of(encoder)


def test_moments_are_over_tokens_and_images(tmp_path: Path, encoder: Encoder) -> None:
    images = places(save_things(tmp_path / "things", ["dog"], 3))
    table = encode_images(images, encoder, tmp_path / "cache", bar=False)
    mean, deviation = table.moments(sorted(images))
    every = table.tokens(sorted(images)).reshape(-1, 16)
    np.testing.assert_allclose(mean, every.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(deviation, every.std(0), rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (EncoderOptions("efficientnet-lite1"), "unknown image encoder 'efficientnet-lite1'; did you mean"),
        (EncoderOptions("timm:vit_larger"), "'vit_larger' is no timm model"),
        (EncoderOptions("./absent"), "absent: no such folder"),
        (EncoderOptions(grid=8), "--encoder.grid 8: the encoder gives 49 tokens"),
        (EncoderOptions(pixels=100), "--encoder.pixels 100: efficientnet-lite0 looks at 224 x 224"),
        (EncoderOptions("random+efficientnet-lite0", Path("x.pt")), "--encoder.checkpoint x.pt: is of one model"),
        (EncoderOptions("random", Path("x.pt")), "--encoder.checkpoint x.pt: random has no weights but"),
    ],
)
def test_bad_options_are_said_in_one_line(options: EncoderOptions, said: str) -> None:
    with pytest.raises(UserError) as error:
        encoded(load_encoder(options))
    assert str(error.value).startswith(said)


def test_options_that_a_folder_of_transformers_cannot_take(tmp_path: Path) -> None:
    folder = str(save_dinov2(tmp_path))
    with pytest.raises(UserError, match=r"--encoder.checkpoint x.pt: .* has its weights in its own folder"):
        load_encoder(EncoderOptions(folder, Path("x.pt")))
    with pytest.raises(UserError, match=r"--encoder.pixels 3: .* has patches of 7 px; give more"):
        load_encoder(EncoderOptions(folder, pixels=3))


def test_bad_images_are_named(tmp_path: Path, encoder: Encoder) -> None:
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for name, said in (("absent.png", "no such image"), ("cut.png", "not a whole image")):
        with pytest.raises(UserError, match=rf"{name}: {said}"):
            encode_images({"one": tmp_path / name}, encoder, tmp_path / "cache", bar=False)
