"""Run folders: `config.yaml`, `log.jsonl`, `tensorboard/`, `checkpoints/`, `dumps/`, `report/`.

The log is cut back to the checkpoint's step on resume, so that it holds each step once.
Only the main process writes.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import yaml
from torch.utils.tensorboard import SummaryWriter

from probing_vlp.checkpoints import Checkpoint
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, make_folder, naming
from probing_vlp.resuming import check_same, plain


class RunFolder:
    """The folder of one training run.  Nothing is written before the first step is done: a mistake leaves no folder
    behind."""

    def __init__(self, path: Path, config: Any, resume: bool, writer: bool = True) -> None:
        """Open a run.  A folder that already holds one is refused unless `resume`; `writer` is True in one process."""
        self.path, self.config, self.writer = path, config, writer
        if path.exists() and not path.is_dir():
            raise UserError(f"{path}: is a file; --run takes a folder")
        started = (path / "checkpoints" / "last.safetensors").exists()
        if not resume and (started or (path / "log.jsonl").exists()):
            raise UserError(f"{path}: holds a run already; give --resume to go on with it, or another --run")
        self.resumed = Checkpoint.load(self.checkpoint("last")) if resume and started else None
        if self.resumed:
            check_same(path, self.resumed.state.get("config", {}), plain(config), FREE, "--run")
        self._log: TextIO | None = None
        self._board: SummaryWriter | None = None

    def checkpoint(self, name: str) -> Path:
        """Path of the checkpoint called `name`: "last" or "best"."""
        return self.path / "checkpoints" / f"{name}.safetensors"

    def log(self, row: Mapping[str, Any]) -> None:
        """Add a line for a step; `row` needs "step"."""
        if not self.writer:
            return
        if self._log is None or self._board is None:
            self._log, self._board = self._begin()
        with naming(self.path / "log.jsonl"):
            self._log.write(json.dumps(row) + "\n")
            self._log.flush()
        for key, value in row.items():
            if isinstance(value, int | float) and key != "step":
                self._board.add_scalar(key, value, row["step"])

    def save(self, name: str, checkpoint: Checkpoint) -> None:
        """Save under `name`, the log flushed to disk before, so that it never lags behind the checkpoint."""
        if self._log is None:
            return
        os.fsync(self._log.fileno())
        checkpoint.save(self.checkpoint(name))

    def close(self) -> None:
        """Close the log and the TensorBoard events."""
        if self._log is not None and self._board is not None:
            self._log.close()
            self._board.close()

    def _begin(self) -> tuple[TextIO, SummaryWriter]:
        """Make the folder; what the log says beyond the checkpoint goes."""
        step = self.resumed.state["step"] if self.resumed else 0
        make_folder(self.path / "dumps")
        atomic_write(self.path / "config.yaml", yaml.safe_dump(plain(self.config), sort_keys=False).encode())
        self._cut_log(step)
        return (
            open(self.path / "log.jsonl", "a", encoding="utf-8"),
            SummaryWriter(self.path / "tensorboard", purge_step=step + 1 if self.resumed else None),
        )

    def _cut_log(self, step: int) -> None:
        path = self.path / "log.jsonl"
        if path.exists():
            kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
            atomic_write(path, "".join(line + "\n" for line in kept).encode())


FREE = ("run", "resume", "epochs", "steps", "patience", "save_every", "export", "data")
"""Options that may change when a run is gone on with; data are held against features and vocabulary instead."""


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return float("inf")  # a line cut by a kill
