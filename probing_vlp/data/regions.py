"""Region features of images, whatever file they come in: one function that opens them all.

    TSV            LXMERT's, the classic bottom-up-attention one, ROSITA's        region_tsv
    npz folder     ROSITA's and UNITER's                                          region_npz
    LMDB           ViLBERT's pickles, UNITER's msgpack or npz                     region_lmdb
    .npy folder    ViLBERT's                                                      region_pickle
    folder         what `probe.py regions grid` makes                             region_store

Every reader gives records.Regions one image at a time, and holds only names in memory.
"""

from pathlib import Path

from probing_vlp.data.features import INDEX, partial_folder
from probing_vlp.data.region_file import RegionFile
from probing_vlp.data.region_lmdb import open_lmdb
from probing_vlp.data.region_npz import NpzRegions
from probing_vlp.data.region_pickle import NpyRegions
from probing_vlp.data.region_store import StoredRegions
from probing_vlp.data.region_tsv import TsvRegions
from probing_vlp.errors import UserError

KNOWN = (
    "a bottom-up-attention TSV, a folder of ROSITA's or UNITER's npz files or of ViLBERT's .npy files, an LMDB folder "
    "of UNITER's or ViLBERT's, or a folder that `probe.py regions grid` made"
)
LMDB_MAGIC = b"\xde\xc0\xef\xbe"
"""Stands at byte 16 of an LMDB file."""


def open_regions(path: str | Path, trust_pickle: bool = False) -> RegionFile:
    """The region features in a file or folder, its format found by what is in it.

    `trust_pickle`: load ViLBERT's pickles even if they ask for more than arrays.  Raises UserError for anything else.
    """
    path = Path(path)
    if not path.exists():
        if partial_folder(path).exists():
            raise UserError(f"{path}: not finished, {partial_folder(path)} is; run the same command with --resume")
        raise UserError(f"{path}: no such region features; give {KNOWN}")
    return _open_folder(path, trust_pickle) if path.is_dir() else _open_file(path, trust_pickle)


def _open_file(path: Path, trust_pickle: bool) -> RegionFile:
    with open(path, "rb") as file:
        head = file.read(64)
    if head[:2] == b"\x1f\x8b":
        raise UserError(f"{path}: is packed with gzip, in which no image can be found; gunzip it first")
    if head[:2] == b"PK":
        return NpzRegions(path, trust_pickle)
    if head[:6] == b"\x93NUMPY":
        return NpyRegions(path, trust_pickle)
    if head[16:20] == LMDB_MAGIC:
        return open_lmdb(path.parent if path.name == "data.mdb" else path, trust_pickle)
    if path.suffix == ".tsv" or b"\t" in head:
        return TsvRegions(path, trust_pickle)
    raise UserError(f"{path}: holds no region features of a known format{_empty(head)}; give {KNOWN}")


def _open_folder(path: Path, trust_pickle: bool) -> RegionFile:
    if (path / INDEX).is_file():
        return StoredRegions(path, trust_pickle)
    if (path / "data.mdb").is_file():
        return open_lmdb(path, trust_pickle)
    for suffix, kind in ((".npz", NpzRegions), (".npy", NpyRegions)):
        if next(path.glob(f"*{suffix}"), None):
            return kind(path, trust_pickle)
    return open_regions(_only_inside(path), trust_pickle)


def _only_inside(path: Path) -> Path:
    """The one file or folder of region features in a folder as its authors publish it."""
    inside = [*path.glob("*.tsv"), *(each.parent for each in path.glob("*/data.mdb")), *path.glob("npz_files/")]
    if not inside:
        raise UserError(f"{path}: a folder without region features of a known format; give {KNOWN}")
    if len(inside) > 1:
        names = ", ".join(sorted(each.name for each in inside)[:6])
        raise UserError(f"{path}: holds several region features ({names}); give the path of one of them")
    return inside[0]


def _empty(head: bytes) -> str:
    return "" if head else " (it is empty)"
