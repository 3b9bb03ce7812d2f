"""A folder of folders, as THINGS has them: the images of a folder show the leaf that it is called after.

A CSV (folder,leaf) tells where names differ: bracelet1 and bracelet2 may both be a bracelet.
"""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from probing_vlp.errors import UserError
from probing_vlp.files import read_bytes, sha256_file
from probing_vlp.taxonomy.records import Shown, Taxonomy, folded

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")


def from_folders(root: Path, taxonomy: Taxonomy, table: Path | None = None) -> tuple[list[list[Shown]], dict[str, int]]:
    """The images of each folder, sorted by name; how many folders and files are left out and why.

    A file of the same content as an earlier one is that one, which shows what both folders are called after.
    """
    found = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    leaf_of = _leaf_by_folder(root, [path.name for path in found], taxonomy, table)
    files = [
        (folder.name, path)
        for folder in found
        if folder.name in leaf_of
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and not path.is_dir()
    ]
    first = first_of_same([path for _, path in files])
    leaves: dict[int, set[str]] = defaultdict(set)
    for (folder_name, _), home in zip(files, first, strict=True):
        leaves[home].add(leaf_of[folder_name])
    by_folder: dict[str, list[Shown]] = defaultdict(list)
    for i, own in leaves.items():
        folder_name, path = files[i]
        by_folder[folder_name].append(Shown(f"{folder_name}/{path.name}", path, frozenset(own)))
    left_out = {
        "folders that are no leaf": len(found) - len(leaf_of),
        "same file as another": len(files) - len(leaves),
    }
    return list(by_folder.values()), left_out


def _leaf_by_folder(root: Path, names: Sequence[str], taxonomy: Taxonomy, table: Path | None) -> dict[str, str]:
    """Leaf by folder: by the table, else by name, whatever its case and underscores."""
    told = _read_folders(table, taxonomy) if table else {}
    for name in told:
        if name not in names:
            raise UserError(f"{table}: folder '{name}' is not in {root}")
    leaves = {folded(leaf): leaf for leaf in taxonomy.leaves}
    first: dict[str, str] = {}
    found = {}
    for name in names:
        leaf = told.get(name) or leaves.get(folded(name))
        if leaf is None:
            continue
        if name not in told and first.setdefault(folded(name), name) != name:
            raise UserError(f"{root}: folders '{first[folded(name)]}' and '{name}' differ in case or spaces only")
        found[name] = leaf
    return found


def _read_folders(table: Path, taxonomy: Taxonomy) -> dict[str, str]:
    raw = read_bytes(table, "CSV of folders", "it needs columns folder,leaf")
    try:
        reader = csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""))
    except UnicodeDecodeError:
        raise UserError(f"{table}: not UTF-8 text; save it as UTF-8") from None
    if not {"folder", "leaf"} <= set(reader.fieldnames or ()):
        raise UserError(f"{table}: it needs columns folder,leaf in its first line")
    told: dict[str, str] = {}
    for row in reader:
        if not row.get("folder") or not row.get("leaf"):
            raise UserError(f"{table}, line {reader.line_num}: it needs columns folder,leaf, both filled")
        if row["leaf"] not in taxonomy.leaves:
            raise UserError(f"{table}, line {reader.line_num}: '{row['leaf']}' is no leaf of {taxonomy.name}")
        if told.setdefault(row["folder"], row["leaf"]) != row["leaf"]:
            raise UserError(f"{table}, line {reader.line_num}: folder '{row['folder']}' has another leaf above")
    return told


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise UserError(f"{path}: no such image ({error.strerror}); is it a link to nowhere?") from None


def first_of_same(paths: Sequence[Path]) -> list[int]:
    """For each file the place of the first with the same content; only files of one size are read."""
    sizes = [_size(path) for path in paths]
    same = Counter(sizes)
    seen: dict[object, int] = {}
    return [
        seen.setdefault(sha256_file(path) if same[size] > 1 else i, i)
        for i, (path, size) in enumerate(zip(paths, sizes, strict=True))
    ]
