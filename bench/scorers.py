"""`python -m bench.scorers`: captions a second through each scorer at base size, with random weights.

One thread.  Images are encoded before the clock starts, as in training, where that is done once a run.  The share of a
self-critical step: the time to score 10 x 5 samples and 10 greedy captions, over that and the rest of the step
(sampling, greedy decoding, the update), which is measured with CIDEr-D as the reward, whose own time is little.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.timing import THREADS

os.environ.update(THREADS)  # before numpy and torch are loaded

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from probing_vlp.data.splits import load_data
from probing_vlp.records import Regions
from probing_vlp.scorers import load_scorer
from probing_vlp.torchvision_cpu import ensure_torchvision

WORDS, REGIONS, WIDTH = 30_522, 36, 2048
BERT = {
    "vocab_size": WORDS,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}
VILBERT = BERT | {
    "v_feature_size": WIDTH,
    "v_hidden_size": 1024,
    "v_num_hidden_layers": 6,
    "v_num_attention_heads": 8,
    "v_intermediate_size": 1024,
    "bi_hidden_size": 1024,
    "bi_num_attention_heads": 8,
    "v_biattention_id": [0, 1, 2, 3, 4, 5],
    "t_biattention_id": [6, 7, 8, 9, 10, 11],
}
CAPTIONS = (50, 320)
PADDED = 77


def networks() -> dict[str, Callable[[], torch.nn.Module]]:
    """The region models at base size."""
    from probing_vlp.scorers._vilbert import Vilbert
    from probing_vlp.scorers.lxmert import Lxmert
    from probing_vlp.scorers.rosita import Rosita
    from probing_vlp.scorers.uniter import Uniter

    cfg = {"LAYER": 12, "HSIZE": 768, "HHEAD": 12, "HFF": 3072, "POS_EMB_IN_SIZE": 512, "TYPE_EMB_IN_SIZE": 2}
    lxmert = BERT | {"l_layers": 9, "r_layers": 5, "x_layers": 5, "visual_feat_dim": WIDTH}
    return {
        "uniter": lambda: Uniter({**BERT, "feature_size": WIDTH}),
        "rosita": lambda: Rosita({**cfg, "IMGFEAT_SIZE": WIDTH, "BBOXFEAT_SIZE": 5}, WORDS),
        "vilbert": lambda: Vilbert(VILBERT),
        "lxmert": lambda: Lxmert(lxmert),
    }


def save(name: str, folder: Path, words: Sequence[str]) -> dict[str, Any]:
    """A base-size model with random weights in its authors' container; options of load_scorer."""
    from probing_vlp.training.zoo import ARCHITECTURES

    torch.manual_seed(1)
    checkpoint = folder / f"{name}.pt"
    if name == "clip":
        ensure_torchvision()
        import open_clip

        torch.save(
            open_clip.create_model("ViT-B-32", load_weights=False, pretrained_text=False).state_dict(), checkpoint
        )
        return {"checkpoint": checkpoint, "arch": "ViT-B-32"}
    torch.save(ARCHITECTURES[name].container(dict(networks()[name]().state_dict())), checkpoint)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    fill = [f"unused{i}" for i in range(WORDS - len(special) - len(words))]
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in [*special, *words, *fill]))
    return {"checkpoint": checkpoint, "vocab": folder / "vocab.txt"}


def pictures(count: int, folder: Path) -> list[Any]:
    """Noise, as files."""
    from PIL import Image

    from probing_vlp.records import Pixels

    noise = np.random.default_rng(1).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    for i, pixels in enumerate(noise):
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return [Pixels(i, folder / f"{i}.png") for i in range(count)]


def regions(count: int) -> list[Regions]:
    """Noise features in 36 boxes."""
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 300, (count, REGIONS, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(20, 300, (count, REGIONS, 2))], 2).astype(np.float32)
    features = np.abs(rng.standard_normal((count, REGIONS, WIDTH), dtype=np.float32))
    return [Regions(i, features[i], boxes[i], 640, 640) for i in range(count)]


def human_captions(count: int) -> list[str]:
    """Captions of COCO's photographs, in the project's own words: lower case, no punctuation."""
    data = load_data("embedded")
    return [" ".join(data.tokens[image.image_id][0]) for image in data.images[:count]]


def clock(run: Callable[[], Any], rounds: int) -> float:
    """Least CPU seconds of a call, over `rounds`, after one that is not counted."""
    run()
    costs = []
    for _ in range(rounds):
        begun = time.process_time()
        run()
        costs.append(time.process_time() - begun)
    return min(costs)


def measure(name: str, dtype: str, counts: Sequence[int], captions: Sequence[str], rounds: int) -> dict[int, float]:
    """CPU seconds to score so many captions of a fifth as many images."""
    with tempfile.TemporaryDirectory() as folder:
        words = sorted({word for caption in captions for word in caption.split()})
        scorer: Any = load_scorer(name, **save(name, Path(folder), words), dtype=dtype, device="cpu")
        images = -(-max(counts) // 5)
        encoded = scorer.encode(pictures(images, Path(folder)) if name == "clip" else regions(images))
        return {
            count: clock(lambda n=count: scorer.score(encoded.select([i // 5 for i in range(n)]), captions[:n]), rounds)
            for count in counts
        }


def rest_of_a_step() -> float:
    """CPU seconds of a self-critical step of 10 x 5 captions beside the scorer."""
    from bench.ours import Ours
    from probing_vlp.captioner.fc import FCCaptioner, FCConfig

    torch.manual_seed(1)
    model = FCCaptioner(WIDTH, 9488, FCConfig())
    ours = Ours({key: weight.numpy() for key, weight in model.state_dict().items()}, 500, 1, (10,))
    try:
        return min(cost.cpu for cost in ours.scst(10, 4))
    finally:
        ours.close()


def padding(captions: Sequence[str], rounds: int) -> dict[str, float]:
    """Captions a second through CLIP's text tower: cut to the longest of a batch, and padded to 77."""
    ensure_torchvision()
    import open_clip

    from probing_vlp.scorers._open_clip import OpenClipTowers
    from probing_vlp.scorers._towers import unit_texts

    model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32", load_weights=False, pretrained_text=False)
    tokenize = open_clip.get_tokenizer("ViT-B-32")
    towers = OpenClipTowers((model.eval(), preprocess, tokenize), torch.device("cpu"), torch.float32)
    texts = list(dict.fromkeys(captions))
    with torch.inference_mode():
        cut = clock(lambda: unit_texts(texts, towers.lengths(texts), towers.texts), rounds)
        padded = clock(lambda: model.encode_text(tokenize(texts)), rounds)
    return {"cut": len(texts) / cut, "padded": len(texts) / padded}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser("python -m bench.scorers", description=__doc__)
    parser.add_argument("--scorers", nargs="+", default=["uniter", "rosita", "vilbert", "lxmert", "clip"])
    parser.add_argument("--rounds", type=int, default=1, help="measurements of each kind; the least counts")
    parser.add_argument("--quick", action="store_true", help="10 captions only: does it run?")
    parser.add_argument(
        "--emulated",
        action="store_true",
        help="bf16 for 50 and 320 captions too where the CPU only emulates it: 25 minutes more",
    )
    parser.add_argument("--out", help="JSON file for the figures")
    given = parser.parse_args()
    torch.set_num_threads(1)
    native = any(on for name, on in torch.cpu.get_capabilities().items() if name.endswith("bf16"))
    captions = human_captions(max(CAPTIONS))
    rest = rest_of_a_step()
    rows = []
    for name in given.scorers:
        for dtype in ("float32", "bfloat16"):
            few = given.quick or (dtype == "bfloat16" and not (native or given.emulated))
            counts = (10,) if few else (10, *CAPTIONS)
            seconds = measure(name, dtype, counts, captions, given.rounds)
            step = sum(seconds[n] for n in (10, 50)) if 50 in seconds else None
            rows.append(
                {
                    "scorer": name,
                    "dtype": dtype,
                    **{f"captions_per_second_{n}": n / seconds[n] for n in counts},
                    "share_of_scst_step": None if step is None else step / (step + rest),
                }
            )
    text = {n: padding(captions[:n], given.rounds) for n in ((10,) if given.quick else CAPTIONS)}
    result = {"rest_of_step_seconds": rest, "bf16_native": native, "scorers": rows, "clip_text": text}
    if given.out:
        Path(given.out).write_text(json.dumps(result, indent=1) + "\n")
    show(result)


def show(result: dict[str, Any]) -> None:
    """The figures as a table."""
    table = Table(
        "scorer", "weights", "10 captions", "50", "320", "share of a 10 x 5 step", title="captions a CPU-second"
    )
    for row in result["scorers"]:
        rates = [row.get(f"captions_per_second_{n}") for n in (10, *CAPTIONS)]
        share = row["share_of_scst_step"]
        cells = ["" if rate is None else f"{rate:.1f}" for rate in rates]
        table.add_row(row["scorer"], row["dtype"], *cells, "" if share is None else f"{share:.0%}")
    console = Console()
    console.print(table)
    if not result["bf16_native"]:
        console.print(
            "This CPU has no bf16 arithmetic: it is emulated (--emulated measures more than 10 captions of it)."
        )
    for n, text in result["clip_text"].items():
        console.print(
            f"CLIP's text tower, {n} captions: {text['cut']:.1f} a second cut to the longest of like length, "
            f"{text['padded']:.1f} padded to {PADDED}: {text['cut'] / text['padded']:.1f} times"
        )


if __name__ == "__main__":
    main()
