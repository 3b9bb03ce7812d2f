"""The grid: cells in turn or side by side, each in a process of its own; what is finished is not done again.

OUT/config.yaml     the options
OUT/knowledge.json  what the language model's text held, if it is one of `train.py lm`
OUT/features.json   image name -> row of the cached features
OUT/cells/          a folder a cell
OUT/log.jsonl       seconds of each cell, as it ended
OUT/items.csv.gz    the answers of all cells, cell by cell in order of their names
OUT/coherence.csv   visual coherence of every hypernym under every label map and seed
"""

import functools
import json
import multiprocessing
import pickle
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import torch
import yaml
from accelerate import Accelerator
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from probing_vlp.data.extract import pick_batch_size, pick_device
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, read_bytes
from probing_vlp.memory import keep_freed_memory
from probing_vlp.resuming import check_same, plain
from probing_vlp.taxonomy.answers.items import join_items
from probing_vlp.taxonomy.asking.conditions import Condition, remove
from probing_vlp.taxonomy.asking.images import is_folder_per_leaf
from probing_vlp.taxonomy.asking.maps import make_map, relabel
from probing_vlp.taxonomy.model.cells import Cell, World, is_finished, open_world, rule_of, run_cell
from probing_vlp.taxonomy.model.coherence import coherences, write_coherences
from probing_vlp.taxonomy.model.encoders import load_encoder
from probing_vlp.taxonomy.model.features import Table, encode_images
from probing_vlp.taxonomy.model.options import FREE, RunConfig
from probing_vlp.taxonomy.model.vlm import VLM
from probing_vlp.taxonomy.prompts import question_text

DRAWS = 400
"""Of the intervals of coherence; seven maps of thirty hypernyms are many."""


def cells_of(config: RunConfig) -> list[Cell]:
    """All cells, sorted; those of one language model follow each other."""
    for condition in config.conditions:
        Condition.parse(condition)
    return sorted(
        Cell(lm, condition, kind, seed)
        for lm in config.lms
        for condition in config.conditions
        for kind in config.maps
        for seed in config.seeds
    )


def run_grid(config: RunConfig) -> None:
    """Do what is missing, then write what is made of all cells.  UserError, and nothing written, for bad options."""
    keep_freed_memory()
    accelerator = make_accelerator(config)
    if accelerator.num_processes > 1 and config.processes > 1:
        raise UserError(
            f"--processes {config.processes}: under `accelerate launch` all processes share a cell; leave it out"
        )
    out = Path(config.out)
    check_folder(config, out)
    cells = cells_of(config)
    world = open_world(config, accelerator)
    check_early(world)
    if accelerator.is_main_process:
        warn_of_captions(config)
        make_features(world, out)
    accelerator.wait_for_everyone()
    world.table = Table.open(out / "features.json")
    todo = [cell for cell in cells if not is_finished(world, cell)]
    for cell, seconds in _done(world, todo):
        if accelerator.is_main_process:
            with open(out / "log.jsonl", "a", encoding="utf-8") as log:
                log.write(json.dumps({"run": cell.run, "seconds": round(seconds, 2)}) + "\n")
    if accelerator.is_main_process:
        join_items(out / "items.csv.gz", [cell.folder(out) / "items.csv.gz" for cell in cells])
        measure_coherence(world, out / "coherence.csv")
        print(f"{out / 'items.csv.gz'}: {len(cells)} cells, {len(todo)} of them new")
    accelerator.wait_for_everyone()
    accelerator.end_training()


def warn_of_captions(config: RunConfig) -> None:
    """Say it if the small language model may have read captions of the photographs that it is to be asked about."""
    path = Path(config.lm, "knowledge.json")
    if is_folder_per_leaf(Path(config.images)) or not path.is_file():
        return
    without = json.loads(path.read_bytes()).get("config", {}).get("without", "")
    if not without or Path(without).resolve() != Path(config.images).resolve():
        print(
            f"warning: {config.lm} was trained without the captions of {without or 'nothing'}, so it may have read "
            f"those of {config.images}; train one with: python train.py lm --without {config.images}",
            file=sys.stderr,
        )


def make_accelerator(config: RunConfig) -> Any:
    """Accelerate's view of this process; without a GPU it must be told so, or several processes know nothing of each
    other."""
    pick_device(config.device)
    cpu = config.device == "cpu" or not torch.accelerator.is_available()
    return Accelerator(mixed_precision=config.precision, cpu=cpu)


def check_folder(config: RunConfig, out: Path) -> None:
    """UserError if the folder is a file, or holds a run of other options or one that is not to be gone on with."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file; --out takes a folder")
    path = out / "config.yaml"
    if not path.exists():
        return
    if not config.resume:
        raise UserError(f"{out}: holds a run already; give --resume to go on with it, or another --out")
    try:
        before = yaml.safe_load(read_bytes(path, "config", "give another --out"))
    except yaml.YAMLError:
        before = None
    if not isinstance(before, dict):
        raise UserError(f"{path}: not the options of a run; give another --out")
    check_same(out, before, plain(config), FREE, "--out")


def check_early(world: World) -> None:
    """UserError for what would go wrong after hours: a model that cannot be loaded, questions that it cannot read,
    more hypernyms to take away than there are."""
    config, taxonomy = world.config, world.taxonomy
    for name in config.conditions:
        remove(taxonomy, Condition.parse(name), config.seeds[0], rule_of(config, name))
    lm = world.lm(config.lms[0], config.seeds[0])
    concepts = (*taxonomy.leaves.values(), *taxonomy.hypernyms.values())
    prompts = [lm.prompt(question_text(concept, config.style)) for concept in concepts]
    VLM(lm, torch.nn.Identity(), config.insert_after).check(prompts, 0)


def make_features(world: World, out: Path) -> None:
    """Encode the training and test images that the cache has not got; then write the table and the options, so that
    options which cannot be encoded with bind nobody."""
    config, device = world.config, world.accelerator.device
    encoder = load_encoder(config.encoder).to(device)
    images = {shown.image: shown.path for part in ("train", "test") for shown in world.index.parts[part]}
    folder = Path(config.features) if config.features else out / "features"
    batch = pick_batch_size(config.encode_batch, device)
    encode_images(images, encoder, folder, batch).save(out / "features.json")
    told = Path(config.lm, "knowledge.json")
    if told.is_file():
        atomic_write(out / "knowledge.json", told.read_bytes())
    atomic_write(out / "config.yaml", yaml.safe_dump(plain(config), sort_keys=False).encode())


def measure_coherence(world: World, path: Path) -> None:
    """Coherence of the training images under every label map and seed; one map is measured once."""
    shown = sorted(world.index.parts["train"], key=lambda each: each.image)
    names = [each.image for each in shown]
    vectors = world.features.pooled(names)
    rows, known = [], {}
    for kind in world.config.maps:
        for seed in world.config.seeds:
            labels = make_map(kind, world.taxonomy, seed)
            key = tuple(sorted(labels.items()))
            if key not in known:
                under = relabel(shown, labels)
                pairs = [(name, above) for name in names for above in world.taxonomy.above(under[name].leaves)]
                known[key] = coherences(names, vectors, pairs, DRAWS, seed)
            rows += [({"encoder": world.features.encoder, "map": kind, "seed": seed}, each) for each in known[key]]
    write_coherences(path, rows)


def _done(world: World, todo: Sequence[Cell]) -> Iterator[tuple[Cell, float]]:
    """Do the cells; each with its seconds when it has ended."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, disable=not (world.accelerator.is_main_process and todo)) as progress:
        task = progress.add_task("cells", total=len(todo))
        several = world.config.processes > 1 and len(todo) > 1
        for cell, seconds in _side_by_side(world, todo) if several else _in_turn(world, todo, progress):
            progress.update(task, advance=1, description=f"cells (last: {cell.run})")
            yield cell, seconds


def _in_turn(world: World, todo: Sequence[Cell], progress: Progress) -> Iterator[tuple[Cell, float]]:
    if world.accelerator.device.type == "cpu":
        torch.set_num_threads(world.config.threads)
    inner = progress.add_task("steps", total=None)
    for cell in todo:
        began = time.perf_counter()
        run_cell(
            world,
            cell,
            lambda step, total, loss: progress.update(
                inner, completed=step, total=total, description=f"steps (loss {loss:.3f})"
            ),
        )
        yield cell, time.perf_counter() - began


def _side_by_side(world: World, todo: Sequence[Cell]) -> Iterator[tuple[Cell, float]]:
    """In processes, each with the world for itself."""
    options = pickle.dumps(world.config).hex()
    pool = ProcessPoolExecutor(min(world.config.processes, len(todo)), multiprocessing.get_context("spawn"))
    try:
        began = {pool.submit(_do, options, cell): cell for cell in todo}
        for future in as_completed(began):
            yield began[future], future.result()
    except BrokenProcessPool:
        raise UserError(
            "a process died; is there enough memory? give fewer --processes, and run again to go on"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


@functools.cache
def _world(options: str) -> World:
    """Of a worker; made by its first cell, so that what is wrong with it is told as an error of that cell."""
    config: RunConfig = pickle.loads(bytes.fromhex(options))
    torch.set_num_threads(config.threads)
    keep_freed_memory()
    return open_world(config, make_accelerator(config), Table.open(Path(config.out) / "features.json"))


def _do(options: str, cell: Cell) -> float:
    world = _world(options)
    began = time.perf_counter()
    run_cell(world, cell)
    return time.perf_counter() - began
