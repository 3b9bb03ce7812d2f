"""LMDB folders of region features, read in place.

    ViLBERT   image id -> pickle (see region_pickle), "keys" -> pickled list of the ids
    UNITER    file name -> msgpack of numpy arrays, or the bytes of an npz (folders called ..._compressed), with the
              names of region_npz; "__keys__" -> JSON list of the names

UNITER's writer names the folder after the regions that it kept: `feat_th0.2_max100_min10` (by confidence),
`feat_numbb36` (the first 36), `all`.  Where it has chosen, its choice counts: `confidence` is then None, so that no
scorer chooses again.  Beside a `feat_th...` folder stands `nbb_th....json`, {name: regions}.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from probing_vlp.data import region_npz, region_pickle
from probing_vlp.data.region_file import RegionFile, as_array, first_line
from probing_vlp.errors import UserError
from probing_vlp.records import Regions


class _Lmdb(RegionFile):
    def __init__(self, path: Path, keys: list[bytes], trust_pickle: bool) -> None:
        self._keys = keys
        super().__init__(path, [key.decode(errors="replace") for key in keys], trust_pickle)

    def _value(self, row: int) -> bytes:
        with entries_of(self.path) as get:
            value = get(self._keys[row])
        if value is None:
            raise UserError(
                f"{self._where(row)}: stands in the list of keys, but has no features; fetch the file again"
            )
        return value


class VilbertLmdb(_Lmdb):
    """Pickled dicts."""

    kind = "ViLBERT lmdb"
    by_id = True

    def __init__(self, path: Path, keys: bytes, trust_pickle: bool = False) -> None:
        ids = region_pickle.unpickle(keys, f"{path}, keys", trust_pickle)
        if not isinstance(ids, list | tuple):
            raise UserError(f"{path}: its keys are {type(ids).__name__}, not a list; is it an LMDB of ViLBERT's?")
        super().__init__(path, [i if isinstance(i, bytes) else str(i).encode() for i in ids], trust_pickle)

    def _read(self, row: int, image_id: int) -> Regions:
        where = self._where(row)
        item = region_pickle.unpickle(self._value(row), where, self.trust_pickle)
        return region_pickle.regions_of(item, image_id, where)


class UniterLmdb(_Lmdb):
    """Msgpack or npz bytes."""

    boxes_in = "shares"

    def __init__(self, path: Path, keys: bytes, trust_pickle: bool = False) -> None:
        try:
            names = [str(name) for name in json.loads(keys)]
        except (ValueError, TypeError) as error:
            raise UserError(f"{path}: __keys__ is no JSON list ({first_line(error)}); fetch the file again") from None
        super().__init__(path, [name.encode() for name in names], trust_pickle)
        self.kind = f"UNITER lmdb ({'npz' if self._value(0)[:2] == b'PK' else 'msgpack'})"
        self.kept = path.name.removesuffix("_compressed")
        self.chosen = self.kept.startswith("feat_")
        number = self.kept.removeprefix("feat_numbb")
        self._most = int(number) if self.chosen and number.isdecimal() else None
        self._counts = self._read_counts(path.parent / f"{self.kept.replace('feat_', 'nbb_', 1)}.json")

    def describe(self) -> list[str]:
        """Which regions the writer kept."""
        return [f"regions kept by the writer: {self.kept}"] if self.chosen else []

    def _read(self, row: int, image_id: int) -> Regions:
        where, value = self._where(row), self._value(row)
        found = region_npz.unpack(value, where) if value[:2] == b"PK" else unpack_msgpack(value, where)
        if self.chosen:
            most = self._counts.get(self._names[row], self._most)
            kept = {key: as_array(found[key], key, where) for key in ("features", "norm_bb") if key in found}
            found = {key: array[:most] if array.ndim else array for key, array in kept.items()}
        self.stored = str(getattr(found.get("features"), "dtype", ""))
        return region_npz.regions_of(found, image_id, where)

    def _read_counts(self, path: Path) -> Mapping[str, int]:
        if not self.chosen or not path.is_file():
            return {}
        try:
            counts = {str(name): int(count) for name, count in json.loads(path.read_bytes()).items()}
            if few := next((name for name, count in counts.items() if count < 1), None):
                raise ValueError(f"{few}: {counts[few]} regions, must be 1 or more")
            return counts
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise UserError(f"{path}: not UNITER's table of counts ({first_line(error)}); fetch it again") from None


def open_lmdb(path: Path, trust_pickle: bool = False) -> RegionFile:
    """An LMDB by its list of keys; UserError for a cut file and for an LMDB of anything else."""
    with entries_of(path) as get:
        names, ids = get(b"__keys__"), get(b"keys")
    if names is not None:
        return UniterLmdb(path, names, trust_pickle)
    if ids is not None:
        return VilbertLmdb(path, ids, trust_pickle)
    raise UserError(
        f"{path}: an LMDB without a list of names: neither __keys__ (UNITER's) nor keys (ViLBERT's); is it one of "
        "region features?"
    )


_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def entries_of(path: Path) -> Iterator[Callable[[bytes], bytes | None]]:
    """An LMDB, open for the while: a function from a key to its value.  UserError for a cut or foreign file.

    Not held open: a process may open an LMDB only once, and somebody else may want to.
    """
    import lmdb

    data = path / "data.mdb" if path.is_dir() else path
    options = {"readonly": True, "create": False, "lock": False, "readahead": False}
    try:
        with _ONE_AT_A_TIME, lmdb.open(str(path), subdir=path.is_dir(), **options) as environment:
            size, needed = data.stat().st_size, (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
            if size < needed:  # reading past the end of a mapped file kills the process
                raise UserError(f"{data}: cut off: {size} bytes of {needed}; fetch it again")
            with environment.begin() as transaction:
                yield transaction.get
    except lmdb.Error as error:
        if "already open in this process" in str(error):
            raise UserError(f"{data}: is open elsewhere in this process, which LMDB forbids; close it there") from None
        raise UserError(f"{data}: cannot be read as an LMDB ({first_line(error)}); fetch it again") from None


def unpack_msgpack(data: bytes, where: str) -> dict[str, Any]:
    """Arrays as msgpack_numpy packs them.  That package unpickles arrays of objects, so it is not used here."""
    import msgpack

    try:
        found = msgpack.unpackb(data, raw=False, strict_map_key=False, object_hook=_array)
    except Exception as error:  # on damaged bytes it raises its own errors, ValueError, TypeError and more
        raise UserError(f"{where}: not a whole msgpack of arrays ({first_line(error)}); fetch the file again") from None
    if not isinstance(found, dict):
        raise UserError(f"{where}: holds {type(found).__name__}, not UNITER's arrays by name")
    return found


def _array(found: dict[Any, Any]) -> Any:
    kept = {key.decode() if isinstance(key, bytes) else key: value for key, value in found.items()}
    if kept.get("nd") is not True:
        return found
    return np.frombuffer(kept["data"], np.dtype(kept["type"])).reshape(kept["shape"])
