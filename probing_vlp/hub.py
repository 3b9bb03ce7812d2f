"""Models and processors of transformers, by hub id or from a local folder: the one place that loads them.

A checkpoint is a folder as `save_pretrained` writes it (config.json, model.safetensors, the tokenizer's and the image
processor's files), or a hub id, which is downloaded once.  Every weight must be there and none left over.
"""

import json
import logging
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch

from probing_vlp.errors import UserError, listed
from probing_vlp.files import read_bytes
from probing_vlp.torchvision_cpu import ensure_torchvision

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}
HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
WEIGHT_FILES = (".pt", ".pth", ".bin", ".pkl", ".safetensors", ".ckpt", ".json")
FILES = "config.json, model.safetensors, preprocessor_config.json and the tokenizer's files"


def load_model(
    checkpoint: str | Path,
    model_class: str,
    kinds: Sequence[str],
    device: torch.device | str,
    dtype: str,
    processor: str = "AutoProcessor",
    spare: Sequence[str] = (),
) -> tuple[Any, Any]:
    """The transformers model of this class in evaluation mode, its weights stored as `dtype`, and its processor.

    `kinds` are the values of `model_type` that the class reads; any, if there are none.  `processor` is the class of
    transformers that reads what stands beside the weights ("AutoTokenizer" for a model of text alone); `spare` are
    patterns of weights that are not used, and may be missing or left over (poolers, heads).  Raises UserError for a
    checkpoint that is absent, of another kind or cut, and one that lists weights that are missing or left over.
    """
    if dtype not in DTYPES:
        raise UserError(f"dtype '{dtype}' is not one of {', '.join(DTYPES)}")
    ensure_torchvision()
    import transformers

    where = _locate(checkpoint)
    with hub_at_once(), _quiet(), _explained(checkpoint, where):
        config = transformers.AutoConfig.from_pretrained(where)
        if kinds and config.model_type not in kinds:
            raise UserError(
                f"{checkpoint}: config.json says it is a {config.model_type}; here a {' or '.join(kinds)} is needed"
            )
        model, report = getattr(transformers, model_class).from_pretrained(
            where, dtype=DTYPES[dtype], output_loading_info=True, ignore_mismatched_sizes=True
        )
        _check_loaded(report, checkpoint, model_class, spare)
        reader = getattr(transformers, processor).from_pretrained(where)
    return model.eval().requires_grad_(False).to(device), reader


def model_type(folder: Path) -> str:
    """What a folder's config.json calls its model; UserError if it says nothing."""
    try:
        return str(
            json.loads(read_bytes(folder / "config.json", "model config", f"a folder holds {FILES}"))["model_type"]
        )
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{folder / 'config.json'}: not a model config: it names no model_type") from None


def is_hub_id(checkpoint: str | Path) -> bool:
    """Whether it is no path here but may be a model's name on the hub: "openai/clip-vit-base-patch32"."""
    name = str(checkpoint)
    return not Path(name).exists() and not name.endswith(WEIGHT_FILES) and HUB_ID.fullmatch(name) is not None


def _locate(checkpoint: str | Path) -> str:
    path = Path(checkpoint)
    if path.is_dir():
        model_type(path)
        return str(path.resolve())
    if path.exists():
        raise UserError(f"{path}: is a file; give the folder that holds {FILES}")
    if not is_hub_id(checkpoint):
        raise UserError(f"{path}: no such folder; give a hub id, or a folder that holds {FILES}")
    return str(checkpoint)


def _check_loaded(report: dict[str, Any], checkpoint: str | Path, model_class: str, spare: Sequence[str] = ()) -> None:
    needed = lambda keys: sorted(key for key in keys if not any(re.search(one, key) for one in spare))  # noqa: E731
    sizes = [f"{key} {tuple(there)} instead of {tuple(own)}" for key, there, own in sorted(report["mismatched_keys"])]
    complaints = [
        f"{what}: {listed(names)}"
        for what, names in (
            ("missing", needed(report["missing_keys"])),
            ("unexpected", needed(report["unexpected_keys"])),
            ("of another size", sizes),
        )
        if names
    ]
    if complaints:
        raise UserError(f"{checkpoint}: does not fit {model_class}: {'; '.join(complaints)}; check the checkpoint")


@contextmanager
def _explained(checkpoint: str | Path, where: str) -> Iterator[None]:
    """What transformers, the hub and safetensors say of a checkpoint, as a UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # each library has its own, and the hub's are many
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
        if isinstance(error, ImportError):
            raise UserError(f"{checkpoint}: {said}") from None
        if Path(where).is_dir():
            raise UserError(
                f"{checkpoint}: cannot be loaded ({type(error).__name__}: {said}); a folder holds {FILES}"
            ) from None
        raise UserError(
            f"{checkpoint}: could not be had from the hub ({said}); where there is a network, run "
            f"`hf download {checkpoint} --local-dir FOLDER`, bring FOLDER here ({FILES}) and give it as the "
            "checkpoint, or copy the hub's cache ($HF_HOME/hub)"
        ) from None


@contextmanager
def hub_at_once() -> Iterator[None]:
    """Says nothing of the hub's retries, and tries nothing but the cache where the hub's name is not known."""
    from huggingface_hub import constants

    logger = logging.getLogger("huggingface_hub")
    level, offline = logger.level, constants.HF_HUB_OFFLINE
    logger.setLevel(logging.ERROR)
    try:
        constants.HF_HUB_OFFLINE = offline or not (getproxies() or _known(urlsplit(constants.ENDPOINT).hostname))
        yield
    finally:
        logger.setLevel(level)
        constants.HF_HUB_OFFLINE = offline


def _known(host: str | None) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings and no progress bars of transformers: what matters is said by an error."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
