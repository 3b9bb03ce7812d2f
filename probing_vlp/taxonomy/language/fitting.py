"""Training of the small language model: transformers' Llama, from text alone.

Loss: cross-entropy of answers, of the words of sentences and of EOS, weighted (`lm_trees.Row.weight`).  AdamW, linear
warm-up, cosine to a twentieth, gradients clipped to norm 1; float32.  Weights are drawn with a standard deviation of
width^-1/2: with the usual 0.02 the vectors of the words would vanish under what so narrow layers add to them, and
nothing was learned in the same time.  In the first steps worlds grow from short to long (lm_trees.batches).

Soft worlds.  A projector gives vectors that are no word's.  So that answers survive that, half of the worlds are
blurred in training: each word vector of a world is mixed with that of another place of the same world, (1 - a) e_i +
a e_j with a uniform in [0, `blend`], and Gaussian noise is added, of `noise` times the root mean square of the word
vectors at most.  What the world names does not change by that.  The blur is drawn from (seed, step); it sets in after
0.4 of the steps and is whole after 0.7.

Everything random is a function of the seed and the step: a resumed run goes on bit for bit on one thread.
"""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from probing_vlp.checkpoints import Checkpoint
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, make_folder
from probing_vlp.taxonomy.language.options import LMConfig
from probing_vlp.taxonomy.language.trees import Batch, Row, as_batch, batches

CHECKPOINT = "checkpoint.safetensors"


def new_model(config: LMConfig, tokenizer: Any) -> Any:
    """A LlamaForCausalLM of the config's size with random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(config.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.width,
            intermediate_size=config.inner,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            max_position_embeddings=config.context,
            initializer_range=config.width**-0.5,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def tree_loss(model: Any, batch: Batch, blur: Callable[[Tensor, Batch], Tensor] | None = None) -> Tensor:
    """Weighted mean cross-entropy in nats a token."""
    words = model.get_input_embeddings()(batch.ids)
    hidden = model.model(
        inputs_embeds=blur(words, batch) if blur else words,
        attention_mask=batch.mask,
        position_ids=batch.position,
        use_cache=False,
    ).last_hidden_state
    rows, places = batch.weight.nonzero(as_tuple=True)
    logits = model.lm_head(hidden[rows, batch.source[rows, places]])
    weight = batch.weight[rows, places]
    losses = functional.cross_entropy(logits, batch.ids[rows, places], reduction="none")
    return (losses * weight).sum() / weight.sum()


class Blur:
    """Blurs the worlds of every second row; see the module's docstring."""

    def __init__(self, blend: float, noise: float, generator: torch.Generator) -> None:
        self.blend, self.noise, self.generator = blend, noise, generator

    def __call__(self, words: Tensor, batch: Batch) -> Tensor:
        """Word vectors (B, T, D) with blurred worlds."""
        B, T, _ = words.shape
        soft = batch.world & (torch.rand(B, 1, generator=self.generator) < 0.5)
        lengths = batch.world.sum(1, keepdim=True)
        # worlds stand at places 1 .. length
        other = 1 + (torch.rand(B, T, generator=self.generator) * lengths).long().clamp(max=T - 2)
        share = self.blend * torch.rand(B, T, 1, generator=self.generator)
        mixed = (1 - share) * words + share * words[torch.arange(B)[:, None], other]
        size = words.detach().square().mean().sqrt() * self.noise * torch.rand(B, 1, 1, generator=self.generator)
        mixed = mixed + size * torch.randn(words.shape, generator=self.generator)
        return torch.where(soft[:, :, None], mixed, words)


class Fit:
    """The training run: a checkpoint now and then, what remains of it when it goes on."""

    def __init__(self, config: LMConfig, model: Any, rows: Sequence[Row], pad: int, provenance: dict[str, Any]) -> None:
        self.config, self.model, self.rows, self.pad, self.provenance = config, model, rows, pad, provenance
        self.plan = [
            part
            for epoch in range(config.epochs)
            for part in batches(
                rows, config.batch_tokens, np.random.default_rng([config.seed, 2, epoch]), 0 if epoch else config.easy
            )
        ]
        self.adam = torch.optim.AdamW(
            model.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
        )
        self.step = 0
        self.losses: list[float] = []
        self.path = Path(config.out) / CHECKPOINT
        if config.resume and self.path.exists():
            self._load()

    def to_end(self) -> list[float]:
        """Train; the loss of each step (of those since a resume)."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.model.train()
        columns = (TextColumn("language model"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, TextColumn("{task.fields[note]}")) as progress:
            bar = progress.add_task("", total=len(self.plan), completed=self.step, note="")
            while self.step < len(self.plan):
                self.losses.append(self._one())
                if self.step % self.config.save_every == 0 and self.step < len(self.plan):
                    self.save()
                recent = self.losses[-50:]
                progress.update(bar, advance=1, note=f"loss {sum(recent) / len(recent):.3f}")
        self.model.eval()
        return self.losses

    def _one(self) -> float:
        config = self.config
        batch = as_batch([self.rows[i] for i in self.plan[self.step]], self.pad)
        generator = torch.Generator().manual_seed((config.seed << 24) + self.step)
        for group in self.adam.param_groups:
            group["lr"] = config.learning_rate * schedule(self.step, len(self.plan), config.warm_up)
        blur = min(max(self.step / len(self.plan) - 0.4, 0) / 0.3, 1)
        loss = tree_loss(self.model, batch, Blur(blur * config.blend, blur * config.noise, generator))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.adam.step()
        self.adam.zero_grad()
        self.step += 1
        return loss.item()

    def save(self) -> None:
        """Weights, moments and the step."""
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        moments = {
            key: {names[p]: state[key] for p, state in self.adam.state.items()}
            for key in ("exp_avg", "exp_avg_sq", "step")
        }
        weights = {name: parameter.data for name, parameter in self.model.named_parameters()}
        state = {"step": self.step, "provenance": self.provenance}
        Checkpoint(Checkpoint.flatten(model=weights, **moments), state).save(self.path)

    def _load(self) -> None:
        found = Checkpoint.load(self.path)
        before, now = found.state["provenance"], json.loads(json.dumps(self.provenance))
        if before != now:
            differ = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
            raise UserError(
                f"{self.path}: was begun with another {', '.join(differ)}; give the same options, or another --out"
            )
        weights, self.step = found.group("model"), found.state["step"]
        for name, parameter in self.model.named_parameters():
            parameter.data.copy_(weights[name])
            self.adam.state[parameter] = {
                key: found.group(key)[name].clone() for key in ("exp_avg", "exp_avg_sq", "step")
            }


def schedule(step: int, steps: int, warm_up: float) -> float:
    """Factor of the learning rate: linear over the first `warm_up` of the steps, then a cosine down to 0.05."""
    first = max(1, int(warm_up * steps))
    if step < first:
        return (step + 1) / first
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (step - first) / max(1, steps - first)))


def save_model(folder: Path, model: Any, tokenizer: Any, knowledge: dict[str, Any]) -> None:
    """transformers' files, then knowledge.json, which says that the folder is complete; the checkpoint goes."""
    make_folder(folder)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    atomic_write(folder / "knowledge.json", (json.dumps(knowledge, indent=1) + "\n").encode())
    (folder / CHECKPOINT).unlink(missing_ok=True)
