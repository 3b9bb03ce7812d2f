"""open_clip models: found, loaded strictly, and their text towers run without needless padding.

CLIP's text tower is causal and reads its vector off at the end of the text, so that padding cannot matter and is cut
away; a tower that is not causal (SigLIP) gets all the padding that it was trained with.
"""

import difflib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.func import functional_call

from probing_vlp.errors import UserError
from probing_vlp.files import read_bytes
from probing_vlp.hub import hub_at_once

IN_FOLDER = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")

Tokenize = Callable[[list[str]], torch.Tensor]
Parts = tuple[Any, Callable[[Image.Image], torch.Tensor], Tokenize]
"""A model, what turns an image into its input, and its tokenizer."""


class TextTower(nn.Module):
    """The text side of an open_clip model, run on texts that are cut to the longest of them."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        tower = getattr(model, "text", model)  # CustomTextCLIP keeps its text tower apart
        pool = getattr(tower, "pool_type", None) or getattr(model, "text_pool_type", None)
        causal = getattr(tower, "attn_mask", None) is not None and getattr(tower, "cls_emb", None) is None
        self.cuts = causal and pool in ("argmax", "eos")
        self._prefix = "model." if tower is model else "model.text."

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, T) token ids to (B, D) vectors, whatever their padding."""
        vectors: torch.Tensor = self.model.encode_text(tokens)
        return vectors

    def encode(self, tokens: torch.Tensor) -> torch.Tensor:
        """The same vectors from the tokens up to the end of the longest text, if nothing after it can matter."""
        if not self.cuts:
            return self(tokens)
        longest = int(text_lengths(tokens).max())
        tables = {
            self._prefix + "positional_embedding": lambda table: table[:longest],
            self._prefix + "attn_mask": lambda mask: mask[:longest, :longest],
        }
        own = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return functional_call(self, {key: cut(own[key]) for key, cut in tables.items()}, (tokens[:, :longest],))


class OpenClipTowers:
    """The two towers of an open_clip model."""

    def __init__(self, parts: Parts, device: torch.device, dtype: torch.dtype) -> None:
        model, self._preprocess, self._tokenize = parts
        self._device, self._dtype = device, dtype
        self._tower = TextTower(model.eval().requires_grad_(False))

    @torch.inference_mode()
    def images(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """(B, D) vectors, not normalised."""
        pixels = torch.stack([self._preprocess(picture) for picture in pictures])
        vectors: torch.Tensor = self._tower.model.encode_image(pixels.to(self._device, self._dtype))
        return vectors

    @torch.inference_mode()
    def texts(self, captions: Sequence[str]) -> torch.Tensor:
        """(B, D) vectors, not normalised."""
        return self._tower.encode(self._tokenize(list(captions)).to(self._device))

    def lengths(self, captions: Sequence[str]) -> list[int]:
        """Tokens of each caption."""
        found: list[int] = text_lengths(self._tokenize(list(captions))).tolist()
        return found


def text_lengths(tokens: torch.Tensor) -> torch.Tensor:
    """(B,) tokens up to the last that is not padding, found from the end: 0 is the padding and also the word "!"."""
    return tokens.shape[1] - (tokens.flip(1) != 0).int().argmax(dim=1)


def register_architecture(config: Path) -> str:
    """Make the architecture of a JSON file known to open_clip; its name is the file's."""
    import open_clip

    try:
        keys = json.loads(read_bytes(config, "model config", "give an open_clip JSON as the option config")).keys()
    except (ValueError, AttributeError) as error:
        raise UserError(f"{config}: not an open_clip model config ({error})") from None
    if missing := {"embed_dim", "vision_cfg", "text_cfg"} - keys:
        raise UserError(f"{config}: not an open_clip model config: it has no {', '.join(sorted(missing))}")
    open_clip.add_model_config(config)
    return config.stem


def from_tag(arch: str, tag: str, where: Mapping[str, Any]) -> Parts:
    """The model of a pretrained tag, downloaded by open_clip or from its cache."""
    import open_clip

    _check_known(arch, open_clip.list_models(), "architecture")
    _check_known(tag, open_clip.list_pretrained_tags_by_model(arch), f"pretrained tag of {arch}")
    published = open_clip.get_pretrained_cfg(arch, tag)
    gelu, source = bool(published.get("quick_gelu")), str(published.get("hf_hub") or published.get("url")).rstrip("/")
    try:
        with hub_at_once(), _quiet():  # the error below says it once
            model, _, preprocess = open_clip.create_model_and_transforms(arch, tag, force_quick_gelu=gelu, **where)
    except Exception as error:  # the hub, HTTP and the file system each have their own
        raise UserError(
            f"clip: the weights '{tag}' of {arch} could not be had ({_first_line(error)}); download "
            f"{source} where there is a network and give the file as the option checkpoint, or go online once so that "
            "they are kept"
        ) from None
    return model, preprocess, open_clip.get_tokenizer(arch)


def from_file(arch: str, path: Path, where: Mapping[str, Any]) -> Parts:
    """The model of a local state dict, or of a folder with open_clip_config.json and a state dict."""
    import open_clip

    if path.is_dir():
        read_bytes(path / "open_clip_config.json", "open_clip description", "name the weights file instead")
        weights = next(filter(Path.is_file, (path / name for name in IN_FOLDER)), None)
        arch = f"local-dir:{path.resolve()}"
    else:
        _check_known(arch, open_clip.list_models(), "architecture")
        weights = path if path.is_file() else None
    if weights is None:
        raise UserError(f"{path}: no such CLIP weights; a folder holds them as {' or '.join(IN_FOLDER)}")
    with _quiet():  # the warning that the model is random is not for the user: load_weights sees to that
        model, _, preprocess = open_clip.create_model_and_transforms(
            arch, load_weights=False, pretrained_text=False, **where
        )
    load_weights(model, weights)
    return model, preprocess, open_clip.get_tokenizer(arch)


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a state dict, never a pickled program; every weight must be there and none left over."""
    from open_clip.factory import load_checkpoint

    try:
        wrong = load_checkpoint(model, str(path), strict=False, weights_only=True)
    except Exception as error:  # torch, pickle, zip and safetensors each have their own
        raise UserError(
            f"{path}: cannot be loaded into this architecture ({_first_line(error)}); "
            "is it a state dict, and is the option arch right?"
        ) from None
    complaints = [
        f"{what}: {', '.join(keys)}"
        for what, keys in (("missing", wrong.missing_keys), ("unexpected", wrong.unexpected_keys))
        if keys
    ]
    if complaints:
        raise UserError(f"{path}: the weights do not fit this architecture; {'; '.join(complaints)}")


@contextmanager
def _quiet() -> Iterator[None]:
    """No log messages from open_clip and the hub."""
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _check_known(name: str, known: Sequence[str], kind: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
        raise UserError(f"clip: unknown {kind} '{name}'; {hint}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
