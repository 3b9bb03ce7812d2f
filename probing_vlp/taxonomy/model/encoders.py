"""Frozen image encoders of the taxonomy probe: a picture in, T tokens of width D out.

    efficientnet-lite0     ImageNet weights from a pip package, offline: its 7 x 7 map of 1280, pooled to a grid
    random                 the same network untrained, weights drawn from seed 0: the end without any semantics
    timm:NAME              any timm model; of a vision transformer the patch tokens of its second-to-last block, as in
                           the paper (timm:vit_large_patch14_reg4_dinov2.lvd142m at 224 px); of others the last map
    FOLDER or OWNER/NAME   a vision model of transformers (DINOv2, SigLIP, CLIP, ViT ...): patch tokens as above
    A+B                    two or more of these with as many tokens each, side by side in the channels (dinosiglip)
    package.module:function   your own: function(options) -> Encoder

Pictures are squeezed to a square, whatever their proportions ("naive" in the paper), and normalised by the encoder's
own mean and deviation.  Beside the tokens an encoder gives a pooled vector: the mean over ALL tokens of its final
features, those before the patches too, which visual coherence is measured on.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from probing_vlp.data.backbones import IMAGENET_MEAN, IMAGENET_STD, load_backbone, online, read_weights, squeeze
from probing_vlp.data.backbones import weights_label as label_of
from probing_vlp.errors import UserError
from probing_vlp.lookup import lookup
from probing_vlp.taxonomy.model.frozen import fingerprint
from probing_vlp.taxonomy.model.options import EncoderOptions
from probing_vlp.torchvision_cpu import ensure_torchvision

ENCODERS = {
    "efficientnet-lite0": "probing_vlp.taxonomy.model.encoders:efficientnet_lite0",
    "random": "probing_vlp.taxonomy.model.encoders:untrained",
    "timm": "probing_vlp.taxonomy.model.encoders:timm_model",
}
TRANSFORMERS = ("dinov2", "dinov2_with_registers", "siglip", "siglip_vision_model", "clip", "clip_vision_model", "vit")
"""Kinds of models of transformers whose hidden states are tokens, the patches last."""


@dataclass(frozen=True)
class Encoder:
    """`preprocess` gives tensors of one shape; `forward` maps (B, ...) to tokens (B, T, D) and pooled vectors (B, P).

    `details` says what the features depend on, beside the weights.
    """

    name: str
    networks: tuple[nn.Module, ...]
    preprocess: Callable[[Image.Image], Tensor]
    forward: Callable[[Tensor], tuple[Tensor, Tensor]]
    details: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for network in self.networks:
            network.eval().requires_grad_(False)

    def to(self, device: torch.device) -> "Encoder":
        """Move the networks."""
        for network in self.networks:
            network.to(device)
        return self

    @property
    def weights(self) -> str:
        """Fingerprint of the weights."""
        return "+".join(fingerprint(network) for network in self.networks)

    @torch.inference_mode()
    def encode(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, T, D) and pooled vectors (B, P), float32 on the CPU, of preprocessed pictures (B, ...)."""
        device = next(self.networks[0].parameters()).device
        tokens, pooled = self.forward(batch.to(device, non_blocking=True))
        return tokens.float().cpu(), pooled.float().cpu()


def load_encoder(options: EncoderOptions) -> Encoder:
    """The encoder that the options name; UserError with near misses for an unknown name."""
    ensure_torchvision()
    name = options.name
    if "+" in name:
        return fused([load_encoder(_named(options, part.strip())) for part in name.split("+")])
    if name.partition(":")[0] in ENCODERS:
        make = lookup(name.partition(":")[0], ENCODERS, "image encoder")
    elif Path(name).exists() or (":" not in name and "/" in name):
        make = transformers_model
    else:
        make = lookup(name, ENCODERS, "image encoder")
    encoder: Encoder = make(options)
    return encoder


def _named(options: EncoderOptions, name: str) -> EncoderOptions:
    if options.checkpoint:
        raise UserError(f"--encoder.checkpoint {options.checkpoint}: is of one model, but {options.name} are several")
    return EncoderOptions(name, None, options.pixels, options.grid)


def efficientnet_lite0(options: EncoderOptions) -> Encoder:
    """EfficientNet-Lite0, trained on ImageNet's labels: cells of its last map as tokens, their mean as pooled."""
    backbone = load_backbone("efficientnet-lite0", options.checkpoint)
    network: Any = backbone.network
    return _convolutional("efficientnet-lite0", network, backbone.preprocess, network.extract_features, options, 224)


def untrained(options: EncoderOptions) -> Encoder:
    """EfficientNet-Lite0 as it is initialised, seed 0."""
    from efficientnet_lite_pytorch import EfficientNet

    if options.checkpoint:
        raise UserError(f"--encoder.checkpoint {options.checkpoint}: random has no weights but those of its seed")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = EfficientNet.from_name("efficientnet-lite0")
    preprocess = squeeze(224, Image.Resampling.BICUBIC, (127 / 255,) * 3, (128 / 255,) * 3)
    return _convolutional("random", network.eval(), preprocess, network.extract_features, options, 224)


def _convolutional(
    name: str,
    network: nn.Module,
    preprocess: Callable[[Image.Image], Tensor],
    maps: Callable[[Tensor], Tensor],
    options: EncoderOptions,
    pixels: int,
) -> Encoder:
    """An encoder whose tokens are the cells of a map (B, D, h, w)."""
    if options.pixels not in (0, pixels):
        raise UserError(f"--encoder.pixels {options.pixels}: {name} looks at {pixels} x {pixels}; leave it out")

    def forward(batch: Tensor) -> tuple[Tensor, Tensor]:
        found = maps(batch)
        return pooled_cells(found.flatten(2).transpose(1, 2), options.grid), found.mean((2, 3))

    details = {"preprocess": f"whole picture, {pixels} x {pixels}", "tokens": f"last map, grid {options.grid or 'all'}"}
    return Encoder(name, (network,), preprocess, forward, details)


def pooled_cells(tokens: Tensor, grid: int) -> Tensor:
    """Tokens (B, T, D) of a square map averaged to (B, grid * grid, D); 0: as they are.  UserError for no square."""
    side = math.isqrt(tokens.shape[1])
    if grid == 0:
        return tokens
    if side * side != tokens.shape[1] or grid > side:
        raise UserError(f"--encoder.grid {grid}: the encoder gives {tokens.shape[1]} tokens; leave it out or give less")
    square = tokens.transpose(1, 2).unflatten(2, (side, side))
    return nn.functional.adaptive_avg_pool2d(square, (grid, grid)).flatten(2).transpose(1, 2)


def timm_model(options: EncoderOptions) -> Encoder:
    """timm's model: second-to-last block of a vision transformer (no final norm there), else the last map."""
    import timm

    name = options.name.partition(":")[2]
    if name.partition(".")[0] not in timm.list_models() and not name.startswith(("hf-hub:", "local-dir:")):
        raise UserError(f"'{name}' is no timm model; `timm.list_models()` lists them")
    size: dict[str, Any] = {"img_size": options.pixels} if options.pixels else {}
    weights = {"state_dict": read_weights(options.checkpoint)} if options.checkpoint else {}
    network: Any = online(
        f"timm:{name}",
        lambda: timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=weights, **size),
        "--encoder.checkpoint",
    )
    config = timm.data.resolve_model_data_config(network)
    pixels = options.pixels or config["input_size"][-1]
    preprocess = squeeze(pixels, Image.Resampling.BICUBIC, config["mean"], config["std"])
    details = {"preprocess": f"whole picture, {pixels} x {pixels}", "source": label_of(options.checkpoint, name)}
    if not hasattr(network, "blocks") or not hasattr(network, "num_prefix_tokens"):
        return _convolutional(options.name, network, preprocess, network.forward_features, options, pixels)

    def forward(batch: Tensor) -> tuple[Tensor, Tensor]:
        final, (tokens,) = network.forward_intermediates(batch, [len(network.blocks) - 2], output_fmt="NLC")
        return pooled_cells(tokens, options.grid), final.mean(1)

    details["tokens"] = f"patches of the second-to-last block, grid {options.grid or 'all'}"
    return Encoder(options.name, (network,), preprocess, forward, details)


def transformers_model(options: EncoderOptions) -> Encoder:
    """A vision model of transformers; of a model of images and texts its vision half."""
    from probing_vlp.hub import load_model

    if options.checkpoint:
        raise UserError(f"--encoder.checkpoint {options.checkpoint}: {options.name} has its weights in its own folder")
    whole, processor = load_model(
        options.name, "AutoModel", TRANSFORMERS, "cpu", "float32", "AutoImageProcessor", spare=(r"(.*\.)?pooler\..*",)
    )
    network = getattr(whole, "vision_model", whole)
    config = getattr(whole.config, "vision_config", whole.config)
    pixels = options.pixels or _side(processor) or config.image_size
    if pixels < config.patch_size:
        raise UserError(f"--encoder.pixels {pixels}: {options.name} has patches of {config.patch_size} px; give more")
    mean, std = (tuple(getattr(processor, key, None) or usual) for key, usual in
                 (("image_mean", IMAGENET_MEAN), ("image_std", IMAGENET_STD)))  # fmt: skip
    resample = Image.Resampling(getattr(processor, "resample", None) or Image.Resampling.BICUBIC)
    patches = (pixels // config.patch_size) ** 2
    stretched = (
        {} if pixels == config.image_size or "dinov2" in config.model_type else {"interpolate_pos_encoding": True}
    )

    def forward(batch: Tensor) -> tuple[Tensor, Tensor]:
        found = network(pixel_values=batch, output_hidden_states=True, **stretched)
        return pooled_cells(found.hidden_states[-2][:, -patches:], options.grid), found.last_hidden_state.mean(1)

    details = {
        "preprocess": f"whole picture, {pixels} x {pixels} {resample.name.lower()}",
        "tokens": f"patches of the second-to-last block, grid {options.grid or 'all'}",
    }
    return Encoder(options.name, (network,), squeeze(pixels, resample, mean, std), forward, details)


def _side(processor: Any) -> int:
    """Side of the square that an image processor makes; 0 if it does not say."""
    for said in (getattr(processor, "crop_size", None), getattr(processor, "size", None)):
        if said:
            said = dict(said)
            return int(said.get("height") or said.get("shortest_edge") or 0)
    return 0


def fused(parts: Sequence[Encoder]) -> Encoder:
    """Several encoders of as many tokens each, side by side in the channels, as the paper's dinosiglip."""
    blank = [part.preprocess(Image.new("RGB", (8, 8))) for part in parts]
    counts = [part.encode(tensor[None])[0].shape[1] for part, tensor in zip(parts, blank, strict=True)]
    if len(set(counts)) > 1:
        said = ", ".join(f"{part.name} {count}" for part, count in zip(parts, counts, strict=True))
        raise UserError(f"--encoder.name: tokens differ ({said}); give a --encoder.grid that suits both")
    sizes, shapes = [tensor.numel() for tensor in blank], [tensor.shape for tensor in blank]

    def preprocess(picture: Image.Image) -> Tensor:
        return torch.cat([part.preprocess(picture).flatten() for part in parts])

    def forward(batch: Tensor) -> tuple[Tensor, Tensor]:
        views = [piece.unflatten(1, shape) for piece, shape in zip(batch.split(sizes, 1), shapes, strict=True)]
        found = [part.forward(view) for part, view in zip(parts, views, strict=True)]
        return torch.cat([tokens for tokens, _ in found], 2), torch.cat([pooled for _, pooled in found], 1)

    details = {f"{part.name} {key}": value for part in parts for key, value in part.details.items()}
    networks = tuple(network for part in parts for network in part.networks)
    return Encoder("+".join(part.name for part in parts), networks, preprocess, forward, details)
