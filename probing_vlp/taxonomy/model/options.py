"""Options of `probe.py taxonomy run`: plain data, without torch.

The defaults are the paper's training and the project's sound rules; configs/taxonomy.yaml is the small grid that runs
anywhere, configs/taxonomy-things.yaml the paper's setting.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from probing_vlp.errors import UserError, check_least, check_most
from probing_vlp.taxonomy.asking.maps import MAPS

WEIGHTS = ("pretrained", "random")


@dataclass(frozen=True)
class EncoderOptions:
    """What an encoder is made of."""

    GROUP = "encoder."

    name: str = "efficientnet-lite0"
    """efficientnet-lite0, random, timm:NAME, a folder or hub id of transformers, A+B, or package.module:function."""
    checkpoint: Path | None = None
    """Local weights of a timm model or of efficientnet-lite0 (safetensors, or a torch file of tensors)."""
    pixels: int = 0
    """Side of the square that pictures are squeezed to; 0: what the encoder was made for."""
    grid: int = 0
    """Cells a side that its tokens are pooled to by averages; 0: all of them."""

    def __post_init__(self) -> None:
        check_least(self, 0, "pixels", "grid")


@dataclass(frozen=True)
class FitOptions:
    """How the projector is trained."""

    GROUP = "fit."

    epochs: int = 5
    """Passes over the training questions."""
    steps: int = 0
    """Steps in place of epochs; 0: by epochs."""
    batch_size: int = 16
    """Questions a step, over all processes."""
    together: int = 1
    """Questions of one image that stay together in a batch, at most; 1: each by itself, as in the paper."""
    accumulate: int = 1
    """Forward passes that a step is cut into, to save memory."""
    learning_rate: float = 1e-3
    """AdamW's, at its height."""
    warmup: float = 0.03
    """Share of the steps in which the learning rate rises."""
    weight_decay: float = 0.0
    """AdamW's."""
    clip: float = 1.0
    """Greatest norm of the gradient."""
    checkpoint_gradients: bool = False
    """Compute activations twice to save memory; turns off the shared reading of images in training."""
    save_every: int = 0
    """Steps from one saved state to the next, to go on from inside a cell after an interruption; 0: none."""

    def __post_init__(self) -> None:
        check_least(self, 1, "epochs", "batch_size", "together", "accumulate")
        check_least(self, 0, "steps", "learning_rate", "warmup", "weight_decay", "clip", "save_every")
        check_most(self, 1, "warmup")


@dataclass
class RunConfig:
    """The grid: every condition x map x language model x seed is a cell, which is trained and then tested."""

    images: str = ""
    """Photographs: a folder of folders by leaf (THINGS), or a COCO folder or file of captions with its images."""
    lm: str = ""
    """Language model: a folder as transformers writes it (`train.py lm` makes one), or a hub id (Qwen/Qwen3-0.6B)."""
    out: str = "runs/taxonomy"
    """Folder for everything; run again, it goes on with the cells that are missing."""
    taxonomy: str = "coco"
    """"coco", or a CSV file of leaf,hypernym."""
    folders: str = ""
    """CSV of folder,leaf for image folders that are not called as their leaf (bracelet1, bracelet2: bracelet)."""
    photographs: str = ""
    """Folder of the image files of COCO captions; by itself `images` beside the captions."""
    mentions: int = 2
    """Captions that must name a leaf for a COCO photograph to show it; fewer leave it unsure."""
    least: int = 0
    """Leaves with fewer training images than this, or without a test image, are dropped; 0: that is an error."""
    split_seed: int = 1
    """Of the division of images into 70 % training, 5 % validation and 25 % test."""
    conditions: list[str] = field(default_factory=lambda: ["full", "random-30", "random-70"])
    """Ablations: full, random-P (percent), systematic-N (hypernyms)."""
    maps: list[str] = field(default_factory=lambda: ["original", "within", "across"])
    """Label maps: original, within, across, and within_paper, across_paper, which follow the published code."""
    lms: list[str] = field(default_factory=lambda: ["pretrained", "random"])
    """Weights of the language model: as they are, or drawn anew from the cell's seed."""
    seeds: list[int] = field(default_factory=lambda: [1, 2, 3])
    """Of removals, maps, negatives, the order of the questions, the projector and random language models."""
    removal: Literal["pair", "union"] = "pair"
    """What random-P takes away: exactly P % of (leaf, hypernym) pairs, or the paper's union over hypernyms."""
    systematic: Literal["question", "folder"] = "question"
    """What systematic-N takes away: questions of the hypernyms, or all of the folders that have one (paper's tests)."""
    negatives: Literal["per-image", "fixed"] = "per-image"
    """Wrong concepts: drawn for each image, or one for each pair as in the paper's first data."""
    style: Literal["plain", "paper"] = "plain"
    """Questions, or questions behind the literal text "<image>" as in the published code."""
    encoder: EncoderOptions = field(default_factory=EncoderOptions)
    """The frozen image encoder."""
    encode_batch: int | None = None
    """Images encoded at once; by itself 64, or 4 on a CPU."""
    features: str = ""
    """Folder of the features, to share among runs; by itself OUT/features."""
    projector: Literal["auto", "gelu-mlp", "fused-gelu-mlp"] = "auto"
    """The map that is learned; auto: gelu-mlp for one encoder, fused-gelu-mlp for several."""
    share_projector: bool = False
    """Start every seed from one projector, drawn from the encoder's width, as in the paper."""
    standardise: bool = False
    """Bring features to mean 0 and deviation 1 a channel, by the training images; not in the paper."""
    insert_after: int = 1
    """Tokens of the question before the image."""
    share_prefix: bool = True
    """Read an image once for all questions about it in a batch; changes no answer."""
    fit: FitOptions = field(default_factory=FitOptions)
    """How the projector is trained."""
    answer_batch: int = 128
    """Questions answered at once; changes no answer."""
    most: int = 0
    """Questions of a test at most, drawn by the seed; 0: all."""
    precision: Literal["no", "bf16"] | None = None
    """bf16 stores the language model in bfloat16 and computes in it; by itself as `accelerate launch` says."""
    device: str = "auto"
    """cpu, cuda, ...; auto: the accelerator if there is one."""
    processes: int = 1
    """Cells at a time, each in a process of its own."""
    threads: int = 1
    """Threads of a process in arithmetic on a CPU; the last bits of results depend on them."""
    keep_random: bool = False
    """Save the randomly drawn language models too, in OUT/random-lms; they follow from their seed."""
    resume: bool = True
    """Go on with a run that is there; false refuses it."""

    def __post_init__(self) -> None:
        check_least(self, 1, "mentions", "insert_after", "answer_batch", "processes", "threads")
        check_least(self, 0, "split_seed", "most", "least")
        for option, known in (("maps", MAPS), ("lms", WEIGHTS)):
            for value in getattr(self, option):
                if value not in known:
                    raise UserError(f"--{option} {value}: is none of {', '.join(known)}")
        for option in ("conditions", "maps", "lms", "seeds"):
            given = getattr(self, option)
            if not given or len(set(given)) < len(given) or (option == "seeds" and min(given) < 0):
                raise UserError(f"--{option} {given}: give one or more, none twice and no seed below 0")


FREE = (
    *("out", "features", "conditions", "maps", "lms", "seeds", "resume", "processes", "threads", "device"),
    *("answer_batch", "encode_batch", "keep_random", "share_prefix", "fit.save_every", "fit.checkpoint_gradients"),
)
"""Options that leave a cell what it is: they may change when a run is gone on with."""
