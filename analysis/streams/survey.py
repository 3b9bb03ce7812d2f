"""A survey of dumps of any size: every streaming analysis, chunk by chunk, in several processes, resumable.

    python -m analysis survey DUMP... --processes 4 --out survey
    python -m analysis merge survey/a.sums.json elsewhere/b.sums.json --out both

A dump is read a chunk of captions at a time; each finished chunk is a small file of sums under OUT/chunks, named by
what was measured and by the captions themselves, so that `--resume` takes up exactly those that still hold.  In the
end the chunks are merged into NAME.sums.json, from which the rows in survey.csv are made; sums of shards, of any
machine, merge to the numbers of the whole (`sums`).  Memory holds a few chunks and the counters: an entry for each
different word, image and caption.
"""

import contextlib
import functools
import json
import os
import re
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain, islice
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from analysis.context import Context
from analysis.inputs import Inputs, check_folder
from analysis.reading import read
from analysis.statistics.caption_counts import refuse
from analysis.streams.streaming import Setup, chosen, setup_of, tally_of, tally_rows
from analysis.streams.sums_file import Source, Sums, read_tally, write_sums, write_tally
from analysis.sums import Tally
from probing_vlp import __version__
from probing_vlp.dump import DumpStream, stream_dump
from probing_vlp.errors import UserError, check_least
from probing_vlp.pages.results import Row, write_rows
from probing_vlp.records import CaptionRecord


@dataclass
class Survey(Inputs):
    """Options of a survey."""

    dumps: list[Path] = field(default_factory=list)
    """Caption dumps or COCO results files, packed or not, of any size; they may stand first, without the option's
    name."""
    out: Path = Path("survey")
    """Folder for survey.csv, survey.json and the sums of each dump."""
    skip: list[str] = field(default_factory=list)
    """Streaming analyses to leave out."""
    processes: int = 1
    """Processes that measure."""
    chunk: int = 4096
    """Captions measured at a time.  The numbers do not depend on it."""
    resume: bool = False
    """Keep the chunks that an interrupted survey finished."""
    strict: bool = False
    """Refuse empty captions, captions of another script and second captions of an image; without it they are measured
    and counted."""


def run(config: Survey) -> None:
    """Survey each dump, then write the rows of all."""
    check_least(config, 1, "processes", "chunk", "lm_order")
    check_folder(config.out)
    names = chosen(config.skip)
    streams = [stream_dump(path) for path in config.dumps]
    labels = _labels(streams)
    named = (str(each.header["data"]) for each in streams if "data" in each.header)
    config = replace(config, data=config.data or next(named, "embedded"))
    context = config.context(config.data)
    tally_of(names, [], context)  # loads tagger and language model, which the processes then share
    setup = setup_of(names, context)
    rows: list[Row] = []
    for label, stream in zip(labels, streams, strict=True):
        sums = survey_dump(stream, label, names, setup, context, config)
        write_sums(config.out / f"{label}.sums.json", sums)
        rows += tally_rows(sums.tally, setup, label, context)
    csv_path, _ = write_rows(config.out, rows, "survey")
    for label in labels:
        _remove(config.out / "chunks" / label)
    with contextlib.suppress(OSError):
        (config.out / "chunks").rmdir()
    print(f"numbers: {csv_path.absolute()}")


def survey_dump(
    stream: DumpStream, label: str, names: Sequence[str], setup: Setup, context: Context, config: Survey
) -> Sums:
    """The sums of one dump.  What a kill leaves of it, the next call with `resume` goes on from."""
    folder = config.out / "chunks" / label
    if not config.resume:
        _remove(folder)
    records = refuse(stream.path, stream.records) if config.strict else stream.records
    stamp = _digest(json.dumps([__version__, config.data, setup]))
    whole = blake2b(digest_size=16)
    parts: list[Path] = []

    def tasks() -> Iterator[tuple[Path, list[CaptionRecord]]]:
        for chunk in _chunks(records, config.chunk):
            content = json.dumps([(record.image_id, record.caption) for record in chunk])
            whole.update(content[1:-1].encode() + b", ")
            parts.append(folder / f"{len(parts):06d}-{_digest(stamp + content)}.json")
            yield parts[-1], [CaptionRecord(record.image_id, record.caption) for record in chunk]

    work = tasks()
    first = list(islice(work, 1))  # what is wrong with the first captions is said before there is a bar
    if not first:
        raise UserError(f"{stream.path}: holds no captions; make the dump again")
    with _bar() as bar, _workers(config.processes, names, context) as measure:
        task = bar.add_task(label, total=stream.count)
        for done in measure(chain(first, work)):
            bar.advance(task, done)
            bar.refresh()
    tally = Tally()
    for part in parts:
        tally.add(read_tally(part))
    return Sums(setup, (Source(label, whole.hexdigest(), tally.captions),), tally)


Measure = Callable[[Iterable[tuple[Path, list[CaptionRecord]]]], Iterator[int]]
"""Measures chunks into their files; yields the number of captions of each, in order."""


@contextlib.contextmanager
def _workers(processes: int, names: Sequence[str], context: Context) -> Iterator[Measure]:
    if processes == 1:
        yield functools.partial(map, lambda task: _measure(names, context, *task))
        return
    pool = ProcessPoolExecutor(processes, get_context("fork"), _begin, (names, context))
    try:
        yield functools.partial(_ahead, pool, 2 * processes)
    except BrokenProcessPool:
        raise UserError(
            "a process was killed, perhaps for want of memory; go on with --resume and fewer --processes"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _ahead(pool: ProcessPoolExecutor, most: int, tasks: Iterable[tuple[Path, list[CaptionRecord]]]) -> Iterator[int]:
    """Like `pool.map`, with no more than `most` chunks read ahead of their measurement."""
    waiting: deque[Future[int]] = deque()
    for task in tasks:
        if len(waiting) == most:
            yield waiting.popleft().result()
        waiting.append(pool.submit(_measure_shared, *task))
    while waiting:
        yield waiting.popleft().result()


_shared: tuple[Sequence[str], Context]


def _begin(names: Sequence[str], context: Context) -> None:
    """In a forked process: Ctrl-C is the parent's to answer, and nothing is left to do when the parent is killed."""
    global _shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _shared = names, context


def _end_with_parent() -> None:
    if parent := parent_process():
        wait([parent.sentinel])
        os._exit(1)


def _measure_shared(part: Path, records: list[CaptionRecord]) -> int:
    return _measure(*_shared, part, records)


def _measure(names: Sequence[str], context: Context, part: Path, records: list[CaptionRecord]) -> int:
    if not part.exists():
        write_tally(part, tally_of(names, read(records, context), context))
    return len(records)


def _chunks(records: Iterator[CaptionRecord], size: int) -> Iterator[list[CaptionRecord]]:
    while chunk := list(islice(records, size)):
        yield chunk


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # refreshed by hand: a thread of its own would be there when processes are forked
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), auto_refresh=False)


def _labels(streams: Sequence[DumpStream]) -> list[str]:
    """A label for each dump that can name a file, with a number where names repeat."""
    if not streams:
        raise UserError("no dump given; make one with: python probe.py dump --run RUN")
    labels: list[str] = []
    for stream in streams:
        name = re.sub(r"[^\w.-]+", "_", stream.name).strip(".") or "dump"
        labels.append(name if name not in labels else f"{name}-{len(labels) + 1}")
    return labels


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=12).hexdigest()


def _remove(folder: Path) -> None:
    for part in folder.glob("*.json"):
        part.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()
