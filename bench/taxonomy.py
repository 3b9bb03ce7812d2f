"""`python -m bench.taxonomy`: speed and memory of the taxonomy probe at the paper's sizes, with random weights.

Questions a second in training (forward, backward through the frozen language model, the projector's update) and in
answering, images a second through the encoder, peak memory of each; and from these the hours of the paper's whole grid:
10 conditions x 3 label maps x 2 language models x 3 seeds on THINGS.  On a GPU all of it takes a minute or two; on a
CPU give `--batches 1 --steps 1`.
"""

import argparse
import functools
import json
import math
import platform
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from rich.console import Console
from rich.table import Table as Shown

from probing_vlp.taxonomy.model.answering import Asked, answer
from probing_vlp.taxonomy.model.features import Table
from probing_vlp.taxonomy.model.fitting import fit
from probing_vlp.taxonomy.model.language_models import LanguageModel
from probing_vlp.taxonomy.model.options import FitOptions
from probing_vlp.taxonomy.model.projectors import make_projector
from probing_vlp.taxonomy.model.vlm import VLM
from probing_vlp.torchvision_cpu import ensure_torchvision

QWEN = {"num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
        "vocab_size": 151_936, "tie_word_embeddings": True, "max_position_embeddings": 40_960}  # fmt: skip
LLAMA = {"num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64,
         "vocab_size": 128_256, "tie_word_embeddings": True, "max_position_embeddings": 131_072}  # fmt: skip
SMALL = {"num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 4096, "max_position_embeddings": 512}
LANGUAGE_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen3-0.6b": ("qwen3", {**QWEN, "hidden_size": 1024, "intermediate_size": 3072}),
    "qwen3-1.7b": ("qwen3", {**QWEN, "hidden_size": 2048, "intermediate_size": 6144}),
    "llama-3.2-1b": ("llama", {**LLAMA, "hidden_size": 2048, "intermediate_size": 8192}),
    "small": ("llama", {**SMALL, "hidden_size": 128, "intermediate_size": 256}),
    "tiny": ("llama", {**SMALL, "num_hidden_layers": 1, "hidden_size": 16, "intermediate_size": 16}),
}
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {  # timm's name; its options
    "dinov2-l14": ("vit_large_patch14_reg4_dinov2", {"img_size": 224}),
    "dinov2-s14": ("vit_small_patch14_reg4_dinov2", {"img_size": 224}),
    "siglip-so400m": ("vit_so400m_patch14_siglip_224", {}),
    "tiny": ("test_vit", {"img_size": 32}),
}
IMAGES, TEST_QUESTIONS, LEAF_QUESTIONS, HYPERNYM_QUESTIONS = 17_336, 15_702 + 9_384, 2 * 12_135, 2 * 19_418
"""THINGS: all images, questions of the tests, and of training: 70 % of the images, and their hypernyms."""
REMOVED = (1, 0.175, 0.48, 0.70, 0.85, 0.96, 2804 / 7851, 4313 / 7851, 5730 / 7851, 6509 / 7851)
"""Share of hypernym questions that full, random-10 ... 90 and systematic-10 ... 40 take away."""
CELLS, EPOCHS = 3 * 2 * 3, 5
"""Label maps x language models x seeds of a condition; passes over the training questions."""


class Drawn(Table):
    """Random features: the same few for all images."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__(Path(), "random", "random", {"": ("", 0)})
        object.__setattr__(self, "_made", np.random.default_rng(0).normal(size=(16, tokens, width)).astype("f4"))

    def tokens(self, names: Sequence[str]) -> np.ndarray:
        """(n, T, D) float32."""
        found: np.ndarray = self._made[[zlib.crc32(name.encode()) % 16 for name in names]]  # type: ignore[attr-defined]
        return found


def questions(count: int, lm: LanguageModel) -> Asked:
    """Questions about an image each, of the length that the paper's have."""
    texts = ["<image> Is there an aardvark in this image?", "<image> Is there a musical instrument in this image?"]
    prompts = tuple(lm.prompt(texts[number % 2]) for number in range(count))
    return Asked(tuple(f"image{number}" for number in range(count)), prompts, np.arange(count) % 2)


def language_model(name: str, device: torch.device, dtype: torch.dtype) -> LanguageModel:
    """Random weights; words are hashed to tokens."""
    ensure_torchvision()
    import transformers

    kind, sizes = LANGUAGE_MODELS[name]
    network = transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.for_model(kind, **sizes), dtype=dtype
    )

    def tokenizer(text: str, add_special_tokens: bool = False) -> dict[str, list[int]]:
        return {"input_ids": [5 + zlib.crc32(word.encode()) % (sizes["vocab_size"] - 5) for word in text.split()]}

    words: Any = tokenizer
    words.bos_token_id, words.eos_token_id = None, 1
    return LanguageModel(network.to(device), words, {"source": name})


def encoder(name: str, device: torch.device, dtype: torch.dtype) -> tuple[Callable[[int], Any], int, int]:
    """What encodes so many random pictures, and the tokens and the width that it gives."""
    ensure_torchvision()
    import timm

    architecture, options = ENCODERS[name]
    network: Any = timm.create_model(architecture, pretrained=False, num_classes=0, **options)
    network = network.to(device, dtype).eval().requires_grad_(False)
    side = network.patch_embed.img_size[0]

    @torch.inference_mode()
    def encode(count: int) -> Any:
        batch = torch.rand(count, 3, side, side, device=device, dtype=dtype)
        return network.forward_intermediates(batch, [len(network.blocks) - 2], output_fmt="NLC")

    return encode, encode(1)[1][0].shape[1], network.embed_dim


class Peak:
    """Peak memory since `start`, in GiB: of the GPU's tensors, or of this process."""

    def __init__(self, device: torch.device) -> None:
        self._gpu = device.type == "cuda"
        if self._gpu:
            torch.cuda.reset_peak_memory_stats()
        elif Path("/proc/self/clear_refs").exists():
            Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far

    def read(self) -> float:
        """GiB; NaN where the system does not say."""
        if self._gpu:
            return torch.cuda.max_memory_allocated() / 2**30
        status = Path("/proc/self/status")
        lines = status.read_text().splitlines() if status.exists() else []
        return next((int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmHWM")), math.nan)


def per_second(device: torch.device, work: Callable[[], Any], count: int, rounds: int) -> float:
    """How many of `count` things a call are done a second, after one call that is not counted."""
    work()
    _wait(device)
    began = time.perf_counter()
    for _ in range(rounds):
        work()
    _wait(device)
    return count * rounds / (time.perf_counter() - began)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def measure_encoder(
    given: argparse.Namespace, device: torch.device, dtype: torch.dtype
) -> tuple[list[dict[str, Any]], int, int]:
    """A row a batch size, and the tokens and the width of an image; the encoder is gone when this returns."""
    encode, tokens, width = encoder(given.encoder, device, dtype)
    rows = []
    for batch in given.batches:
        peak = Peak(device)
        rate = per_second(device, functools.partial(encode, batch), batch, given.steps)
        rows.append({"batch": batch, "encode_per_second": rate, "encode_gib": peak.read()})
    return rows, tokens, width


def measure(given: argparse.Namespace, accelerator: Any) -> list[dict[str, Any]]:
    """A row a batch size."""
    device = accelerator.device
    dtype = torch.bfloat16 if accelerator.mixed_precision == "bf16" else torch.float32
    rows, tokens, width = measure_encoder(given, device, dtype)
    lm = language_model(given.lm, device, dtype)
    vlm, table = VLM(lm, make_projector("auto", width, lm.width, 1)), Drawn(tokens, width)
    for row, batch in zip(rows, given.batches, strict=True):
        asked = questions(batch * (given.steps + 1), lm)
        options = FitOptions(steps=given.steps + 1, batch_size=batch, checkpoint_gradients=given.checkpoint_gradients)
        at: list[float] = []
        peak = Peak(device)
        fit(vlm, table, asked, options, 1, accelerator, note=lambda *told: at.append(time.perf_counter()))  # noqa: B023
        row |= {"train_per_second": batch * given.steps / (at[-1] - at[0]), "train_gib": peak.read()}
        peak = Peak(device)
        some = replace(asked, images=asked.images[:batch], prompts=asked.prompts[:batch], gold=asked.gold[:batch])
        work = functools.partial(answer, vlm, table, some, batch, accelerator)
        row |= {"answer_per_second": per_second(device, work, batch, given.steps), "answer_gib": peak.read()}
        row["hours"] = grid_hours(row)
    return rows


def grid_hours(row: dict[str, Any]) -> dict[str, float]:
    """Hours of the paper's grid for one language model, from these rates."""
    trained = CELLS * EPOCHS * sum(LEAF_QUESTIONS + (1 - removed) * HYPERNYM_QUESTIONS for removed in REMOVED)
    parts = {
        "encode": IMAGES / row["encode_per_second"],
        "train": trained / row["train_per_second"],
        "answer": CELLS * len(REMOVED) * TEST_QUESTIONS / row["answer_per_second"],
    }
    return {name: seconds / 3600 for name, seconds in {**parts, "all": sum(parts.values())}.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser("python -m bench.taxonomy", description=__doc__)
    parser.add_argument("--encoder", choices=ENCODERS, default="dinov2-l14")
    parser.add_argument("--lm", choices=LANGUAGE_MODELS, default="qwen3-0.6b")
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 64], help="questions, or images, at once")
    parser.add_argument("--steps", type=int, default=10, help="steps that are timed, after one that is not")
    parser.add_argument("--precision", choices=("no", "bf16"), help="default bf16 on a GPU, else no")
    parser.add_argument("--checkpoint_gradients", action="store_true", help="compute activations twice, as the paper")
    parser.add_argument("--device", choices=("auto", "cpu"), default="auto")
    parser.add_argument("--out", help="JSON file for the figures")
    given = parser.parse_args(argv)
    cpu = given.device == "cpu" or not torch.cuda.is_available()
    accelerator = Accelerator(mixed_precision=given.precision or ("no" if cpu else "bf16"), cpu=cpu)
    rows = measure(given, accelerator)
    device = platform.processor() or "cpu" if cpu else torch.cuda.get_device_name()
    environment = {"device": device, "threads": torch.get_num_threads(), "torch": torch.__version__}
    result = {
        "environment": {**environment, "precision": accelerator.mixed_precision},
        "settings": vars(given),
        "rows": rows,
        "grid": {"cells": CELLS * len(REMOVED), "epochs": EPOCHS},
    }
    if given.out:
        Path(given.out).write_text(json.dumps(result, indent=1) + "\n")
    show(result)
    return 0


def show(result: dict[str, Any]) -> None:
    """The figures as a table."""
    settings, environment = result["settings"], result["environment"]
    title = f"{settings['encoder']}, {settings['lm']}, {environment['device']}, precision {environment['precision']}"
    names = ("train", "answer", "encode")
    table = Shown("batch", *(f"{name} a second (GiB)" for name in names), "hours of the grid", title=title)
    for row in result["rows"]:
        cells = [f"{row[f'{name}_per_second']:.3g} ({row[f'{name}_gib']:.1f})" for name in names]
        hours = row["hours"]
        parts = ", ".join(f"{name} {hours[name]:.3g}" for name in names)
        table.add_row(str(row["batch"]), *cells, f"{hours['all']:.3g} ({parts})")
    console = Console()
    console.print(table)
    console.print(
        f"Grid: {result['grid']['cells']} cells of {result['grid']['epochs']} epochs on THINGS; every image is encoded "
        "once for all of them."
    )


if __name__ == "__main__":
    raise SystemExit(main())
