"""The per-item results file: a line an answered question.  Every metric, interval and plot is made from it alone.

CSV, gzip or plain.  Columns, in the order in which we write them:

    run         LM/condition/map/seed
    condition   full | random-30 | systematic-4 | lm-only
    image       the photograph; of LM-only answers the phrasing
    leaf        the leaf that the question was made for, under the label map
    concept     id of what was asked about, leaf or hypernym
    gold        Yes | No
    prediction  Yes | No
    logp_yes    log probability of the answer (nats, <= 0)
    logp_no
    test        leaves | seen | held-out | lm-only
    map         original | within | across
    lm          name of the language model
    seed
    encoder     name of the image encoder

Of other tools' files `concept`, `gold` and `prediction` suffice, in any order and under any spelling of the labels;
other columns are kept.  Text is taken as it stands: "NA", "001" and "yes " are no numbers, no gaps and not "yes".
"""

import csv
import difflib
import gzip
import io
import math
import warnings
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write, read_bytes

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("concept", "gold", "prediction")
NUMBERS = ("logp_yes", "logp_no")
PIECE = 200_000
"""Lines that are read at a time."""
REMEDY = "`probe.py taxonomy run` writes one; of other tools' files the columns concept, gold and prediction suffice"


class Item(NamedTuple):
    """An answered question; the columns are those of the module's docstring."""

    run: str
    condition: str
    image: str
    leaf: str
    concept: str
    gold: str
    prediction: str
    logp_yes: float = math.nan
    logp_no: float = math.nan
    test: str = ""
    map: str = ""
    lm: str = ""
    seed: int | str = ""
    encoder: str = ""


def write_items(path: Path, items: Iterable[Item]) -> None:
    """Write the items in their order, gzip where the name ends in .gz: same items, same bytes; NaN becomes empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Item._fields)
    writer.writerows([_shown(value) for value in item] for item in items)
    _write(path, text.getvalue().encode())


def join_items(path: Path, parts: Sequence[Path]) -> None:
    """One file of several that `write_items` wrote, in the order given."""
    header = ",".join(Item._fields).encode() + b"\n"
    bodies = []
    for part in parts:
        data = _unpacked(part)
        if not data.startswith(header):
            raise UserError(f"{part}: its first line is not that of our own results files; remove it and run again")
        bodies.append(data[len(header) :])
    _write(path, header + b"".join(bodies))


def read_items(path: Path, columns: Mapping[str, str] | None = None) -> "pd.DataFrame":
    """A row an item, in the file's order: text columns are categories, logp columns floats (NaN where empty).

    Columns:
        Our names to the file's own, {"gold": "label"}; those not named are looked for under our names.

    UserError in one line with the file, the line and the column of what is wrong.
    """
    import pandas as pd

    data = _unpacked(path)
    header = _check_header(path, data, columns or {})
    if not data.partition(b"\n")[2].strip():
        raise UserError(f"{path}: a header and no items; nothing can be counted")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # more fields than columns
            frame = _parsed(data, header)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not UTF-8; save it as UTF-8") from None
    except (ValueError, pd.errors.ParserWarning) as error:  # a ParserError is a ValueError
        raise UserError(f"{path}, {_odd_line(data, header) or error}") from None
    # lines that are too short are filled up without a word
    even = b'"' not in data and data.count(b",") == (len(header) - 1) * (len(frame) + 1)
    sound = even and not any((frame[name] == "").any() for name in REQUIRED)
    if not sound and (odd := _odd_line(data, header)):
        raise UserError(f"{path}, {odd}")
    return frame


def _parsed(data: bytes, header: list[str]) -> "pd.DataFrame":
    """In pieces, since text takes ten times the memory of categories; read as categories, "001" would become 1."""
    import pandas as pd
    from pandas.api.types import union_categoricals

    texts = [name for name in header if name not in NUMBERS]
    pieces = [
        piece.astype(dict.fromkeys(texts, "category"))
        for piece in pd.read_csv(
            io.BytesIO(data),
            encoding="utf-8-sig",
            header=0,
            names=header,
            index_col=False,
            dtype=dict.fromkeys(header, "str") | dict.fromkeys(set(NUMBERS) & set(header), "float64"),
            keep_default_na=False,
            na_values={name: ["", "nan", "NaN"] for name in NUMBERS},
            chunksize=PIECE,
        )
    ]
    return pd.DataFrame(
        {
            name: union_categoricals([piece[name] for piece in pieces], sort_categories=True)
            if name in texts
            else pd.concat([piece[name] for piece in pieces], ignore_index=True)
            for name in header
        }
    )


def _shown(value: str | int | float) -> str | int:
    return value if not isinstance(value, float) else "" if math.isnan(value) else f"{value:.6f}"


def _write(path: Path, data: bytes) -> None:
    atomic_write(path, gzip.compress(data, compresslevel=6, mtime=0) if path.suffix == ".gz" else data)


def _unpacked(path: Path) -> bytes:
    data = read_bytes(path, "results file", REMEDY)
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise UserError(f"{path}: cut short or damaged gzip ({error}); copy it again") from None


def _check_header(path: Path, data: bytes, renamed: Mapping[str, str]) -> list[str]:
    """Names of the columns, ours where the file has others."""
    first = data.partition(b"\n")[0].decode("utf-8-sig", "replace").rstrip("\r")
    try:
        names = next(csv.reader([first]), [])
    except csv.Error as error:
        raise UserError(f"{path}, line 1: not a CSV file ({error}); {REMEDY}") from None
    for ours, theirs in renamed.items():
        if theirs not in names:
            raise UserError(f"{path}, line 1: no column {theirs} (given for {ours}); it has {', '.join(names)}")
        names = [ours if name == theirs else f"{name} (theirs)" if name == ours else name for name in names]
    for column in REQUIRED:
        if column not in names:
            raise UserError(f"{path}, line 1: no column {column}; {_hint(column, names, first)}")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UserError(f"{path}, line 1: two columns are named {twice[0]}; rename one")
    return names


def _hint(column: str, names: Sequence[str], first: str) -> str:
    for mark, said in {"\t": "tabs", ";": "semicolons", "|": "bars"}.items():
        if column in [word.strip('" ') for word in first.split(mark)]:
            return f"its fields are separated by {said}: separate them by commas"
    near = difflib.get_close_matches(column, [name.strip().lower() for name in names], n=1)
    known = [name for name in names if near and name.strip().lower() == near[0]]
    return f"did you mean '{known[0]}'?" if known else f"it has {', '.join(names)[:200] or 'none'}; {REMEDY}"


def _odd_line(data: bytes, header: Sequence[str]) -> str:
    """What is wrong with the first line that cannot be read, if any is: found by a slower reader that counts lines."""
    reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
    try:
        next(reader)
        for fields in reader:
            if fields and (odd := _odd_fields(fields, header)):
                return f"line {reader.line_num}: {odd}"
    except csv.Error as error:
        return f"line {reader.line_num}: {error}; mend that line"
    return ""


def _odd_fields(fields: Sequence[str], header: Sequence[str]) -> str:
    if len(fields) != len(header):
        return f"{len(fields)} fields where the header has {len(header)}; is the file cut short, or a comma unquoted?"
    for name, field in zip(header, fields, strict=True):
        if name in REQUIRED and not field:
            return f"no {name}; give every item one"
        if name in NUMBERS and field:
            try:
                float(field)
            except ValueError:
                return f"{name} is '{field}', not a number"
    return ""
