"""What every training loop has around it: accelerate, the run folder, checkpoints, the log and the progress bar.

One process writes; all of them compute.  Random numbers and batches are functions of the seed and the step, so a
checkpoint holds weights, moments and counters and nothing else.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from probing_vlp.checkpoints import Checkpoint
from probing_vlp.errors import UserError
from probing_vlp.memory import keep_freed_memory
from probing_vlp.resuming import plain
from probing_vlp.training.run import RunFolder

Precision = Literal["no", "bf16"]


class Session:
    """A training run: the accelerator, the model and its optimiser, and where they are kept."""

    def __init__(self, run: str, config: Any, resume: bool, seed: int, precision: Precision | None) -> None:
        keep_freed_memory()
        # without a GPU accelerate must be told so, or each of several processes believes that it is alone
        self.accelerator = Accelerator(mixed_precision=precision, cpu=not torch.accelerator.is_available())
        set_seed(seed)
        self.device = self.accelerator.device
        self.main = self.accelerator.is_main_process
        self.folder = RunFolder(Path(run), config, resume, writer=self.main)
        self.step = 0
        self.best = -math.inf
        self.since_best = 0
        self.state: dict[str, Any] = {}

    def prepare(self, model: nn.Module, learning_rate: float, state: Mapping[str, Any]) -> None:
        """Take the model and an Adam for it; go on from the run's last checkpoint if it is being resumed."""
        self.raw_model = model.to(self.device)
        adam = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
        resumed = self.folder.resumed
        if resumed:
            model.load_state_dict(resumed.group("model"))
            _load_moments(adam, model, resumed)
            self.step, self.best, self.since_best = (resumed.state[key] for key in ("step", "best", "since_best"))
        # not where it lies: the same run in two folders leaves the same checkpoints
        config = {key: value for key, value in plain(self.folder.config).items() if key not in ("run", "export")}
        self.state = {"config": config, **state}
        self.model, self.optimizer = self.accelerator.prepare(model, adam)

    def rows(self, total: int) -> slice:
        """This process's share of `total` rows."""
        share = total // self.accelerator.num_processes
        return slice(share * self.accelerator.process_index, share * (self.accelerator.process_index + 1))

    def check_batch(self, batch_size: int) -> None:
        """UserError if the images of a step cannot be shared out evenly."""
        if batch_size % self.accelerator.num_processes:
            raise UserError(
                f"--batch_size {batch_size} cannot be shared by {self.accelerator.num_processes} processes; make it a "
                "multiple"
            )

    def sum(self, value: float) -> float:
        """A number added up over the processes."""
        if self.accelerator.num_processes == 1:
            return value
        return float(self.accelerator.reduce(torch.tensor(value, dtype=torch.float64, device=self.device), "sum"))

    def gather(self, values: Tensor) -> Tensor:
        """Rows of all processes, in order, on the CPU."""
        gathered: Tensor = self.accelerator.gather(values.contiguous())
        return gathered.cpu()

    def update(self, loss: Tensor, clip: float, learning_rate: float) -> None:
        """Backward, clip each gradient entry to [-clip, clip], one Adam step; `loss` is this process's share of the
        sum."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        # data-parallel training averages gradients; the loss is a share of a sum, so the average is scaled back
        self.accelerator.backward(loss * self.accelerator.num_processes)
        gradients = [p.grad for p in self.raw_model.parameters() if p.grad is not None]
        for gradient in gradients:
            gradient.clamp_(-clip, clip)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def improved(self, value: float) -> bool:
        """Note a validation value; True if it is the best so far."""
        better = value > self.best
        self.best, self.since_best = (value, 0) if better else (self.best, self.since_best + 1)
        return better

    def save(self, best: bool = False) -> None:
        """Checkpoint as "last", and before it as "best" if this is the best so far."""
        if not self.main:
            return
        state = {**self.state, "step": self.step, "best": self.best, "since_best": self.since_best}
        weights = Checkpoint.flatten(model=self.raw_model.state_dict())
        if best:
            self.folder.save("best", Checkpoint(weights, state))
        self.folder.save("last", Checkpoint({**weights, **_moments(self.optimizer, self.raw_model)}, state))

    def progress(self, title: str) -> Progress:
        """A bar with room for a few numbers; silent in all processes but one."""
        return Progress(
            TextColumn(title),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            disable=not self.main,
            transient=False,
        )

    def close(self) -> None:
        """Close files and process groups."""
        self.folder.close()
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()


def _moments(optimizer: Any, model: nn.Module) -> dict[str, Tensor]:
    """Adam's state by parameter name."""
    inner = getattr(optimizer, "optimizer", optimizer)
    names = {parameter: name for name, parameter in model.named_parameters()}
    return Checkpoint.flatten(
        **{
            f"adam_{key}": {names[p]: state[key] for p, state in inner.state.items()}
            for key in ("exp_avg", "exp_avg_sq", "step")
        }
    )


def _load_moments(adam: torch.optim.Adam, model: nn.Module, checkpoint: Checkpoint) -> None:
    groups = {key: checkpoint.group(f"adam_{key}") for key in ("exp_avg", "exp_avg_sq", "step")}
    for name, parameter in model.named_parameters():
        if name in groups["step"]:
            adam.state[parameter] = {key: tensors[name].to(parameter.device) for key, tensors in groups.items()}
