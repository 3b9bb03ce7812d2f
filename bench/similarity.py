"""`python -m bench.similarity`: is the similarity probe fast enough, and are its numbers rsatoolbox's?

Whole programs are timed, from start to end, on files made here: 320 words and 36 participants, and 1,854 words.  Then
the same numbers are computed with rsatoolbox, where it has the thing, and the largest difference is told.
Exit code 0: every limit is kept and every number is the same; 1: something falls short.
"""

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
EQUAL = 5e-8


class Limit(NamedTuple):
    """A program that must end in time: seconds, and megabytes where they matter."""

    name: str
    options: list[str]
    seconds: float
    megabytes: float | None = None


class Took(NamedTuple):
    """What a program took, and what it said."""

    seconds: float
    megabytes: float
    said: dict[str, Any]


def main() -> int:
    """Measure, print a table and JSON; the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        files = make_files(Path(folder))
        small, large = [files["model"], files["people"]], [files["model-1854"], files["target-1854"]]
        limits = [
            Limit("10,000 Mantel permutations, 320 words, 36 participants", [*small, "--permutations", "10000"], 15),
            Limit("1,000 draws of participants and words, with ceilings", [*small, "--bootstrap", "1000"], 30),
            Limit("Spearman, 1,854 words", large, 3, 1000),
            Limit(
                "partial Spearman, 1,854 words", [*large, "--measure", "partial", "--control", files["third-1854"]], 6
            ),
        ]
        timed = [(limit, program(limit.options)) for limit in limits]
        checks = equal(files)
    show(timed, checks)
    result = {
        "load": os.getloadavg(),
        "programs": [{**limit._asdict(), **took._asdict(), "options": None} for limit, took in timed],
        "differences": checks,
    }
    print(json.dumps(result, indent=2))
    late = any(took.seconds > limit.seconds or took.megabytes > (limit.megabytes or 1e9) for limit, took in timed)
    return int(late or any(gap > EQUAL for gap, _, _ in checks.values()))


def make_files(folder: Path) -> dict[str, str]:
    """Embeddings of 320 and 1,854 words, and 36 participants' matrices, that have something in common."""
    generator = np.random.default_rng(1)
    made = {}
    for name, n in (("model", 320), ("model-1854", 1854), ("target-1854", 1854), ("third-1854", 1854)):
        common = np.random.default_rng(n).normal(size=(n, 20))
        vectors = np.hstack([common, generator.normal(size=(n, 280))])
        made[name] = str(folder / f"{name}.npz")
        np.savez(made[name], words=[f"word{i}" for i in range(n)], vectors=vectors.astype(np.float32))
    from probing_vlp.similarity.distances.rdms import from_vectors

    words = [f"word{i}" for i in range(320)]
    common = np.random.default_rng(320).normal(size=(320, 20))
    people = [from_vectors(words, np.hstack([common, generator.normal(size=(320, 60))])) for _ in range(36)]
    made["people"] = str(folder / "people.npz")
    np.savez(made["people"], words=words, rdm=np.stack([each.dissimilarities[0] for each in people]))
    return made


def program(options: list[str]) -> Took:
    """`probe.py similarity compare` in a process of its own; the memory is the most it held."""
    begun = time.perf_counter()
    command = [sys.executable, "probe.py", "similarity", "compare", *options]
    with tempfile.TemporaryFile() as out:
        process = psutil.Popen(command, cwd=ROOT, stdout=out, stderr=-3)
        most = [0.0]
        watcher = threading.Thread(target=_watch, args=(process, most))
        watcher.start()
        code = process.wait()
        seconds = time.perf_counter() - begun
        watcher.join()
        out.seek(0)
        if code:
            raise SystemExit(f"{' '.join(command)}: exit code {code}")
        return Took(seconds, most[0], json.loads(out.read()))


def _watch(process: psutil.Popen, most: list[float]) -> None:
    while True:
        try:
            most[0] = max(most[0], process.memory_info().rss / 1e6)
        except psutil.Error:
            return
        if process.poll() is not None:
            return
        time.sleep(0.01)


def equal(files: dict[str, str]) -> dict[str, tuple[float, float, float]]:
    """For each number: the largest difference to rsatoolbox, our seconds, its seconds."""
    from rsatoolbox.inference import boot_noise_ceiling
    from rsatoolbox.rdm import RDMs, compare_rho_a, compare_spearman

    from probing_vlp.similarity.distances.ceilings import noise_ceiling
    from probing_vlp.similarity.distances.measures import score
    from probing_vlp.similarity.distances.readers import read_any

    model, people = (read_any(files[name]).distances() for name in ("model", "people"))
    one, other = (read_any(files[name]).distances() for name in ("model-1854", "target-1854"))
    few = people.dissimilarities[:6]
    pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "spearman, 320 words": (
            lambda: score("spearman", model.group, people.group),
            lambda: compare_spearman(model.toolbox(), people.mean().toolbox()).item(),
        ),
        "spearman, 1,854 words": (
            lambda: score("spearman", one.group, other.group),
            lambda: compare_spearman(one.toolbox(), other.toolbox()).item(),
        ),
        "rho-a, 1,854 words": (
            lambda: score("rho-a", one.group, other.group),
            lambda: compare_rho_a(one.toolbox(), other.toolbox()).item(),
        ),
        "noise ceiling, 320 words, 6 participants": (
            lambda: noise_ceiling(few)[:2],
            lambda: boot_noise_ceiling(RDMs(few), "spearman"),
        ),
    }
    return {name: _compared(*functions) for name, functions in pairs.items()}


def _compared(ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[float, float, float]:
    values, seconds = [], []
    for function in (ours, theirs):
        begun = time.perf_counter()
        values.append(np.asarray(function()))
        seconds.append(time.perf_counter() - begun)
    return float(np.abs(values[0] - values[1]).max()), seconds[0], seconds[1]


def show(timed: list[tuple[Limit, Took]], checks: dict[str, tuple[float, float, float]]) -> None:
    """Two tables on stderr."""
    console = Console(stderr=True)
    table = Table("program, start included", "seconds", "limit", "MB", "limit")
    for limit, took in timed:
        most = f"{limit.megabytes:.0f}" if limit.megabytes else ""
        table.add_row(limit.name, f"{took.seconds:.1f}", f"{limit.seconds:.0f}", f"{took.megabytes:.0f}", most)
    console.print(table)
    table = Table("against rsatoolbox", "largest difference", "ours, s", "its, s")
    for name, (gap, ours, theirs) in checks.items():
        table.add_row(name, f"{gap:.1e}", f"{ours:.3f}", f"{theirs:.3f}")
    console.print(table)


if __name__ == "__main__":
    raise SystemExit(main())
