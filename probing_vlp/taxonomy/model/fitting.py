"""Learning the projector: AdamW on it alone, gradients through the frozen language model.

As the paper's "align" stage: cross-entropy of the answer and the end of text only, learning rate 1e-3, no weight decay,
gradients clipped to a norm of 1, warm-up over 3 % of the steps and a cosine down to 0, batches of 16 in random order,
the last batch of an epoch kept, 5 epochs, the last state taken; validation chooses nothing.

Options beyond the paper: a fixed number of steps, and questions of one image kept together in a batch (`together`),
which the shared reading of the image makes cheap.  The loss is a mean over the answer tokens of the whole batch, so
that neither the number of processes nor gradient accumulation changes it.
"""

import contextlib
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from probing_vlp.checkpoints import Checkpoint
from probing_vlp.errors import UserError
from probing_vlp.taxonomy.model.answering import Asked
from probing_vlp.taxonomy.model.features import Table
from probing_vlp.taxonomy.model.options import FitOptions
from probing_vlp.taxonomy.model.vlm import VLM


def batches(images: Sequence[str], options: FitOptions, seed: int) -> Iterator[np.ndarray]:
    """Rows of each step's questions, given the image of each; a function of the seed and the number of the step."""
    done, epoch = 0, 0
    while done < steps_of(len(images), options):
        order = _order(images, options.together, np.random.default_rng([seed, zlib.crc32(b"order"), epoch]))
        for start in range(0, len(order), options.batch_size):
            if done < steps_of(len(images), options):
                yield order[start : start + options.batch_size]
            done += 1
        epoch += 1


def _order(images: Sequence[str], together: int, generator: np.random.Generator) -> np.ndarray:
    """A random order of rows in which up to `together` of one image follow each other."""
    order = generator.permutation(len(images))
    if together == 1:
        return order
    rows: dict[str, list[int]] = {}
    for row in order:
        rows.setdefault(images[row], []).append(int(row))
    groups = [own[start : start + together] for own in rows.values() for start in range(0, len(own), together)]
    return np.array([row for group in generator.permutation(len(groups)) for row in groups[group]])


def steps_of(count: int, options: FitOptions) -> int:
    """Steps of a training on so many questions."""
    return options.steps or options.epochs * -(-count // options.batch_size)


def rate_of(step: int, total: int, options: FitOptions) -> float:
    """Learning rate of a step (from 0): linear from 0 over int(warmup * total) steps, then half a cosine down to 0."""
    rise = int(options.warmup * total)
    if step < rise:
        return options.learning_rate * step / rise
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def fit(
    vlm: VLM,
    table: Table,
    asked: Asked,
    options: FitOptions,
    seed: int,
    accelerator: Any,
    saved: Path | None = None,
    note: Callable[[int, int, float], None] = lambda step, total, loss: None,
    origin: str = "",
) -> list[float]:
    """Train `vlm.projector` in place; the loss (nats a token) of every step.

    `saved`: where the state is kept with `save_every`, and gone on from if it is there and of the same `origin`, which
    tells language model and features.  UserError for no questions and
    for a loss that is not finite.
    """
    if not len(asked):
        raise UserError("no training questions: are there images of these leaves?")
    plain = vlm.projector.to(accelerator.device)
    adam = torch.optim.AdamW(plain.parameters(), lr=0.0, weight_decay=options.weight_decay, fused=True)
    losses = _resume(saved, plain, adam, origin) if saved else []
    prepared, optimizer = accelerator.prepare(plain, adam)
    total = steps_of(len(asked), options)
    with _training(vlm, prepared, options):
        for step, rows in enumerate(batches(asked.images, options, seed)):
            if step < len(losses):
                continue
            for group in optimizer.param_groups:
                group["lr"] = rate_of(step, total, options)
            losses.append(_step(vlm, table, asked, rows, options, accelerator))
            if not math.isfinite(losses[-1]):
                raise UserError(f"the loss of step {step + 1} is not finite; try a smaller --fit.learning_rate")
            accelerator.clip_grad_norm_(plain.parameters(), options.clip)
            optimizer.step()
            optimizer.zero_grad()
            note(step + 1, total, losses[-1])
            if saved and options.save_every and (step + 1) % options.save_every == 0 and accelerator.is_main_process:
                _save(saved, plain, adam, losses, origin)
    return losses


@contextlib.contextmanager
def _training(vlm: VLM, prepared: nn.Module, options: FitOptions) -> Iterator[None]:
    """The model as it trains: with the projector as accelerate has prepared it, and with gradients checkpointed or
    images shared; afterwards it is as before."""
    before, share = vlm.projector, vlm.share
    with contextlib.ExitStack() as stack:
        if options.checkpoint_gradients:
            stack.enter_context(vlm.lm.checkpointed_gradients())
        vlm.projector, vlm.share = prepared, share and not options.checkpoint_gradients
        try:
            yield
        finally:
            vlm.projector, vlm.share = before, share


def _step(vlm: VLM, table: Table, asked: Asked, rows: np.ndarray, options: FitOptions, accelerator: Any) -> float:
    """Gradients of a step's mean loss, and its value over all processes."""
    count = accelerator.num_processes
    tokens = vlm.told([asked.prompts[row] for row in rows], [int(asked.gold[row]) for row in rows])
    shares = np.array_split(rows, count * options.accumulate)
    value = torch.zeros((), device=accelerator.device)
    for number in range(options.accumulate):
        own = shares[number * count + accelerator.process_index]
        last = number == options.accumulate - 1
        # a process without questions goes through the same motions, so that gradients are exchanged in step
        images, which, prompts, gold = asked.rows(own if len(own) else rows[:1], table)
        with contextlib.nullcontext() if last else accelerator.no_sync(vlm.projector):
            with accelerator.autocast():
                loss = vlm.loss(images, which, prompts, gold) / tokens * (len(own) > 0)
            # data-parallel training averages gradients; each loss is a share of a sum
            accelerator.backward(loss * count)
        value += loss.detach()
    return float(accelerator.reduce(value, "sum") if count > 1 else value)


MOMENTS = ("exp_avg", "exp_avg_sq", "step")


def _save(path: Path, projector: nn.Module, adam: torch.optim.Optimizer, losses: Sequence[float], origin: str) -> None:
    named = dict(projector.named_parameters())
    moments = {f"adam_{key}": {name: adam.state[each][key] for name, each in named.items()} for key in MOMENTS}
    tensors = Checkpoint.flatten(projector=projector.state_dict(), **moments)
    Checkpoint(tensors, {"losses": list(losses), "origin": origin}).save(path)


def _resume(path: Path, projector: nn.Module, adam: torch.optim.Optimizer, origin: str) -> list[float]:
    """Losses of the steps done, once weights and moments are as they were; none if there is nothing to go on from."""
    if not path.exists():
        return []
    found = Checkpoint.load(path)
    if found.state.get("origin") != origin:
        return []
    projector.load_state_dict(found.group("projector"))
    groups: Mapping[str, Any] = {key: found.group(f"adam_{key}") for key in MOMENTS}
    for name, parameter in projector.named_parameters():
        adam.state[parameter] = {key: tensors[name].to(parameter.device) for key, tensors in groups.items()}
    return list(found.state["losses"])
