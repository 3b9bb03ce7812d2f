"""The project's programs as a user runs them: real processes with their own exit code, output and death.

Importing torch takes seconds, so most of them are forked from a server that has imported it already; `cold=True` starts
a new interpreter.  Both run the very file that the user would.
"""

import atexit
import json
import multiprocessing
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
HELPERS = Path(__file__).parent
PATIENCE = 240
"""Seconds before a program counts as hanging."""

_FORKS = multiprocessing.get_context("forkserver")
# what the programs import by and by: Adam alone brings torch._dynamo, two seconds
_FORKS.set_forkserver_preload(
    [
        "pytest",
        "train",
        "probe",
        "torch._dynamo",
        "torch.utils.tensorboard",
        "yaml",
        "analysis.report.making",
        "analysis.statistics.metrics",
        "analysis.statistics.unigrams",
    ]
)


class Ended(NamedTuple):
    """What a program left: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    def succeeded(self) -> "Ended":
        assert self.code == 0, f"exit code {self.code}\n{self.err}\n{self.out}"
        return self


class Running:
    """A program that was started; its output goes to files."""

    def __init__(self, process: "ForkServerProcess | subprocess.Popen[bytes]", folder: Path) -> None:
        self.process, self.folder = process, folder

    @property
    def alive(self) -> bool:
        return self.process.is_alive() if isinstance(self.process, ForkServerProcess) else self.process.poll() is None

    def kill(self) -> None:
        """kill -9, and wait until it is dead."""
        self.process.kill()
        self.wait()

    def wait(self) -> Ended:
        if isinstance(self.process, ForkServerProcess):
            self.process.join(PATIENCE)
            assert not self.process.is_alive(), f"still running: {self.folder}"
            code = self.process.exitcode
        else:
            code = self.process.wait(PATIENCE)
        assert code is not None
        return Ended(code, (self.folder / "out").read_text(), (self.folder / "err").read_text())

    def kill_when(self, condition: Callable[[], bool]) -> bool:
        """kill -9 as soon as `condition` holds; False if the program ended before."""
        deadline = time.monotonic() + PATIENCE
        while self.alive:
            assert time.monotonic() < deadline, f"{self.folder}: {(self.folder / 'err').read_text()}"
            if condition():
                self.kill()
                return True
            time.sleep(0.001)
        return False


class Programs:
    """Starts programs in the repository root; `environment` is added to the usual one."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder, self.environment, self.count = folder, dict(environment), 0

    def start(self, *arguments: object, cold: bool = False, **environment: str) -> Running:
        """`start("train.py", "ce", "--run", run)`, `start("-m", "analysis", "report", ...)`."""
        self.count += 1
        folder = self.folder / str(self.count)
        folder.mkdir(parents=True)
        words, extra = list(map(str, arguments)), {**self.environment, **environment}
        if cold:
            with open(folder / "out", "wb") as out, open(folder / "err", "wb") as err:
                return Running(
                    subprocess.Popen(
                        [sys.executable, *words],
                        cwd=ROOT,
                        env={**os.environ, **extra},
                        stdout=out,
                        stderr=err,
                        stdin=subprocess.DEVNULL,
                    ),
                    folder,
                )
        (folder / "out").touch(), (folder / "err").touch()
        process = _FORKS.Process(target=_run, args=(words, extra, folder))
        process.start()
        return Running(process, folder)

    def run(self, *arguments: object, cold: bool = False, **environment: str) -> Ended:
        """Start and wait."""
        return self.start(*arguments, cold=cold, **environment).wait()


def _run(words: list[str], environment: Mapping[str, str], folder: Path) -> None:
    """In the forked process: become `python WORDS`."""
    for name, number in (("out", 1), ("err", 2)):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(ROOT)
    os.environ.update(environment)
    sys.path[:0] = [str(ROOT), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    sys.argv = words[1:] if words[0] == "-m" else words
    try:
        if words[0] == "-m":
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(words[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves by os._exit, which skips them


def flags(options: Mapping[str, Any]) -> list[str]:
    """Options of a command line."""
    return [
        f"--{key}={json.dumps(value) if isinstance(value, list | dict) else value}" for key, value in options.items()
    ]
