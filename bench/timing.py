"""Clocks, processes and the arithmetic of ratios."""

import multiprocessing
import os
import statistics
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Cost:
    """What some captions took: seconds of this process's CPU time (all its threads) and of the wall."""

    captions: int
    cpu: float
    wall: float


@contextmanager
def clock(captions: int, costs: list[Cost]) -> Iterator[None]:
    """Add the cost of the block to `costs`."""
    cpu, wall = time.process_time(), time.perf_counter()
    yield
    costs.append(Cost(captions, time.process_time() - cpu, time.perf_counter() - wall))


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of n values."""

    median: float
    min: float
    max: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of these values."""
        return cls(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True)
class Comparison:
    """One kind of work at one batch size on both sides, in turn; rates in captions a second."""

    part: str
    batch: int
    target: float | None
    ours: Spread
    peer: Spread
    ours_wall: Spread
    peer_wall: Spread
    ratio: Spread
    """Of captions per CPU-second, one value a round: ours and the peer's taken one right after the other."""
    wall_ratio: Spread

    @property
    def reached(self) -> bool:
        """Whether the median ratio is at least the target, if there is one."""
        return self.target is None or self.ratio.median >= self.target

    def row(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "reached": self.reached}


def compare(part: str, batch: int, target: float | None, ours: Sequence[Cost], peer: Sequence[Cost]) -> Comparison:
    """`ours` and `peer`: one cost a round."""
    cpu = [[c.captions / c.cpu for c in side] for side in (ours, peer)]
    wall = [[c.captions / c.wall for c in side] for side in (ours, peer)]
    ratios = [Spread.of([a / b for a, b in zip(*rates, strict=True)]) for rates in (cpu, wall)]
    return Comparison(part, batch, target, *map(Spread.of, cpu), *map(Spread.of, wall), *ratios)


def total(costs: Sequence[Cost]) -> Cost:
    """Several costs as one."""
    return Cost(sum(c.captions for c in costs), sum(c.cpu for c in costs), sum(c.wall for c in costs))


class Remote:
    """An object in a process of its own, with one thread of arithmetic; calls wait for their answer."""

    def __init__(self, make: Callable[..., Any], *args: Any) -> None:
        os.environ.update(THREADS)  # before the process loads its libraries
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, args), daemon=True)
        self._process.start()
        theirs.close()
        self._answer()

    def call(self, method: str, *args: Any) -> Any:
        """`method(*args)` over there; RuntimeError with its traceback if it fails."""
        self._pipe.send((method, args))
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join()

    def _answer(self) -> Any:
        try:
            good, value = self._pipe.recv()
        except EOFError:
            raise RuntimeError("a process of the benchmark died; is there enough memory?") from None
        if not good:
            raise RuntimeError(value)
        return value


def _serve(pipe: Connection, make: Callable[..., Any], args: tuple[Any, ...]) -> None:
    import torch

    torch.set_num_threads(1)
    made: Any = None
    try:
        while True:
            try:
                value = None
                if made is None:
                    made = make(*args)
                else:
                    method, given = pipe.recv()
                    value = getattr(made, method)(*given)
                pipe.send((True, value))
            except EOFError:
                break
            except Exception:
                pipe.send((False, traceback.format_exc()))
                if made is None:
                    break
    finally:
        if hasattr(made, "close"):
            made.close()
