"""`python -m bench --peer FOLDER`: are training, decoding and scoring as much faster than the peer as they should be?

Exit code 0: every ratio reaches its target and every value is the same; 1: something falls short; 2: nothing was
measured.
"""

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.equal import Check, check_all
from bench.ours import Ours
from bench.peer import Peer
from bench.timing import Comparison, Remote, compare, total

BATCHES = (10, 64)


@dataclass(frozen=True)
class Part:
    """Work that is timed: `count` steps, images or runs a round, at each batch size."""

    name: str
    target: float | None
    count: dict[int, int]


PARTS = (  # without a target: for information
    Part("ce", 2.5, {10: 6, 64: 1}),
    Part("scst", 2.5, {10: 4, 64: 1}),
    Part("greedy", 3.0, {10: 200, 64: 384}),
    Part("greedy_logprob", None, {10: 100, 64: 192}),
    Part("beam", 8.0, {10: 20}),
    Part("cider", 10.0, {1000: 1}),
)


def main() -> int:
    """Measure, print, write; the exit code."""
    given = _arguments()
    errors = Console(stderr=True)
    if not (Path(given.peer) / "cider" / "pyciderevalcap").is_dir() or not (Path(given.peer) / "captioning").is_dir():
        errors.print(
            f"error: {given.peer}: needs captioning/ and cider/pyciderevalcap/; see bench/README.md", soft_wrap=True
        )
        return 2
    begun = time.perf_counter()
    load = os.getloadavg()
    with errors.status("making the problem") as status:
        peer = Remote(Peer, given.peer, given.images, given.seed)
        status.update(f"warming up: {given.warm} cross-entropy steps of the peer")
        loss = peer.call("warm", given.warm)
        ours = Remote(Ours, peer.call("weights"), given.images, given.seed, BATCHES)
        status.update("checking that both compute the same")
        checks = check_all(ours, peer, *((500, 100, 20) if given.quick else (min(5000, given.images), 1000, 100)))
        comparisons = _measure(ours, peer, [part for part in PARTS if part.name in given.parts], given.rounds, status)
        lengths = (
            {}
            if "scst" not in given.parts
            else {"ours": ours.call("sampled_words"), "peer": peer.call("sampled_words", 64)}
        )
    ours.close()
    peer.close()
    result = {
        "schema": 1,
        "environment": _environment(load),
        "seconds": time.perf_counter() - begun,
        "settings": {**vars(given), "batches": BATCHES},
        "warm_loss": loss,
        "sampled_words": lengths,
        "speed": [c.row() for c in comparisons],
        "equal": [c.row() for c in checks],
    }
    if given.out:
        Path(given.out).write_text(json.dumps(result, indent=1) + "\n")
    return _report(result, comparisons, checks)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", required=True, help="work tree of the peer, its cider submodule in it")
    parser.add_argument("--out", help="JSON file for the figures")
    parser.add_argument("--rounds", type=int, help="measurements of each kind (default 7; 2 if quick)")
    parser.add_argument("--warm", type=int, help="untimed cross-entropy steps (default 100; 15 if quick)")
    parser.add_argument("--images", type=int, help="images of the problem (default 10000; 1000 if quick)")
    parser.add_argument(
        "--parts",
        nargs="+",
        default=[part.name for part in PARTS],
        choices=[part.name for part in PARTS],
        metavar="PART",
        help="what to time: %(choices)s (default all)",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="about a minute: does it run?  Its ratios mean little")
    given = parser.parse_args()
    for name, usual, quick in (("rounds", 7, 2), ("warm", 100, 15), ("images", 10_000, 1000)):
        if getattr(given, name) is None:
            setattr(given, name, quick if given.quick else usual)
    return given


def _measure(ours: Remote, peer: Remote, parts: list[Part], rounds: int, status: Any) -> list[Comparison]:
    """The parts on both sides in turn, `rounds` times and once before that is not counted; who begins changes."""
    costs: dict[tuple[str, int], dict[str, list[Any]]] = {
        (p.name, b): {"ours": [], "peer": []} for p in parts for b in p.count
    }
    sides = {"ours": ours, "peer": peer}
    for turn in range(rounds + 1):
        status.update(f"round {turn} of {rounds}" if turn else "one round that is not counted")
        for part in parts:
            for batch, count in part.count.items():
                for side in sorted(sides, reverse=bool(turn % 2)):
                    cost = total(sides[side].call(part.name, batch, count if turn else min(count, batch)))
                    if turn:
                        costs[part.name, batch][side].append(cost)
    return [
        compare(p.name, b, p.target, costs[p.name, b]["ours"], costs[p.name, b]["peer"]) for p in parts for b in p.count
    ]


def _environment(load: tuple[float, float, float]) -> dict[str, Any]:
    import numpy
    import torch

    cpu = (
        next(
            (
                line.split(":")[1].strip()
                for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")
            ),
            platform.processor(),
        )
        if Path("/proc/cpuinfo").exists()
        else platform.processor()
    )
    return {
        "cpu": cpu,
        "cpus": os.cpu_count(),
        "threads": 1,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "load_before": load,
        "load_after": os.getloadavg(),
    }


def _report(result: dict[str, Any], comparisons: list[Comparison], checks: list[Check]) -> int:
    console, environment = Console(), result["environment"]
    console.print(
        f"{environment['cpu']}, {environment['cpus']} CPUs, one thread each side, "
        f"torch {environment['torch']}, float32; "
        f"load {environment['load_before'][0]:.1f} before, {environment['load_after'][0]:.1f} after; "
        f"{result['seconds']:.0f} s",
        *(f"words a sample, {side}: {n:.1f}" for side, n in result["sampled_words"].items()),
        sep="; ",
        soft_wrap=True,
    )
    speed = Table(
        "part",
        "batch",
        "ours",
        "peer",
        "ratio",
        "least .. greatest",
        "wall ratio",
        "target",
        "",
        title="captions a CPU-second",
    )
    for c in comparisons:
        speed.add_row(
            c.part,
            str(c.batch),
            f"{c.ours.median:.1f}",
            f"{c.peer.median:.1f}",
            f"{c.ratio.median:.2f}",
            f"{c.ratio.min:.2f} .. {c.ratio.max:.2f} (n {c.ratio.n})",
            f"{c.wall_ratio.median:.2f}",
            f"{c.target:g}" if c.target else "",
            "" if not c.target else "ok" if c.reached else "SHORT",
        )
    same = Table("the same", "greatest difference", "limit", "of what", "")
    for check in checks:
        same.add_row(check.name, f"{check.error:.1e}", f"{check.limit:g}", check.note, "ok" if check.passed else "NO")
    console.print(speed, same)
    short = [
        f"{c.part} at batch {c.batch} is {c.ratio.median:.2f} times the peer, not {c.target:g}"
        for c in comparisons
        if c.target and not c.reached
    ]
    short += [
        f"{check.name}: differs by {check.error:.2e}, more than {check.limit:g}" for check in checks if not check.passed
    ]
    for line in short:
        print(f"falls short: {line}", file=sys.stderr)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
