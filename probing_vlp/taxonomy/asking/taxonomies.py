"""Taxonomies: the built-in one of the 80 COCO categories, and any CSV of (leaf, hypernym) pairs.

    leaf,hypernym                     one pair a line; a leaf may have many, hypernyms may nest and overlap
    surface, plural, mass, words      optional, of the leaf: what a text calls it, its plural, "yes" for a mass noun,
                                      and what captions call it beside that, parted by ";"
    hypernym_surface, hypernym_plural, hypernym_mass

What a file does not say follows from the name (`grammar.py`): `ice-cream_cone` is "an ice-cream cone", and the
hypernyms of THINGSplus are called what the paper calls them ("item of clothing").

A name in both columns is a hypernym under hypernyms, no leaf: what is above it is passed on to all that is under it
(dog,mammal and mammal,animal make a dog an animal).  THINGS has folders that bear the name of a category ("bird", in
the category bird): a name that is listed under itself beside others is a leaf too, and nothing is passed on, so that
the 2,040 pairs of THINGS stay what they are.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from probing_vlp.data.coco_objects import CATEGORIES
from probing_vlp.errors import UserError
from probing_vlp.files import read_bytes
from probing_vlp.taxonomy import grammar
from probing_vlp.taxonomy.records import Concept, Taxonomy, folded

COCO = Path(__file__).parents[2] / "assets" / "coco_taxonomy.csv"
YES = ("yes", "true", "1")
NO = ("no", "false", "0", "")
PAIRS = "it needs columns leaf,hypernym with a pair a line"


@dataclass(frozen=True)
class Row:
    """A pair and the line of the file that it stands in."""

    line: int
    leaf: str
    hypernym: str
    said: Mapping[str, str]


def load_taxonomy(spec: str = "coco") -> Taxonomy:
    """ "coco" or the path of a CSV; UserError for one that is no taxonomy: empty names, a pair twice, names that differ
    in case only, a cycle, a hypernym without leaves."""
    if spec != "coco":
        return read_taxonomy(Path(spec), spec)
    taxonomy = read_taxonomy(COCO, "coco")
    words = {name: tuple(word.strip() for word in others.split(",") if word) for name, others in CATEGORIES.items()}
    leaves = {name: replace(leaf, words=words[name]) for name, leaf in taxonomy.leaves.items()}
    return replace(taxonomy, leaves=leaves)


def read_taxonomy(path: Path, name: str) -> Taxonomy:
    """The taxonomy of a CSV file."""
    rows = _rows(path)
    _check_names(path, rows)
    above: dict[str, set[str]] = {}
    for row in rows:
        above.setdefault(row.leaf, set()).add(row.hypernym)
    hypernyms = {row.hypernym for row in rows}
    _check_self(path, rows, above)
    _check_acyclic(path, above)
    named_twice = {leaf for leaf, own in above.items() if leaf in own}
    inner = (hypernyms & above.keys()) - named_twice
    pairs = {leaf: _closed(own, above, inner) for leaf, own in sorted(above.items()) if leaf not in inner}
    return checked(
        Taxonomy(
            name,
            {leaf: _concept(path, rows, "leaf", leaf) for leaf in pairs},
            {hypernym: _concept(path, rows, "hypernym", hypernym) for hypernym in sorted(hypernyms)},
            pairs,
        )
    )


def checked(taxonomy: Taxonomy) -> Taxonomy:
    """The taxonomy itself; UserError if a hypernym has no leaf or two hypernyms are called the same in a text."""
    surfaces: dict[str, str] = {}
    for hypernym, concept in taxonomy.hypernyms.items():
        if not taxonomy.members(hypernym):
            raise UserError(f"{taxonomy.name}: hypernym '{hypernym}' has no leaf; give it one or take it out")
        other = surfaces.setdefault(concept.surface.casefold(), hypernym)
        if other != hypernym:
            raise UserError(
                f"{taxonomy.name}: hypernyms '{other}' and '{hypernym}' are both called '{concept.surface}' in a text"
            )
    return taxonomy


def _rows(path: Path) -> list[Row]:
    raw = read_bytes(path, "taxonomy (CSV)", f'{PAIRS}; or give "coco"')
    rows: list[Row] = []
    first: dict[tuple[str, str], int] = {}
    try:
        reader = csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""))
        missing = [column for column in ("leaf", "hypernym") if column not in (reader.fieldnames or ())]
        if missing:
            raise UserError(f"{path}, line 1: no column {' nor '.join(missing)}; {PAIRS}")
        columns = list(reader.fieldnames or ())
        if twice := sorted({column for column in columns if columns.count(column) > 1}):
            raise UserError(f"{path}, line 1: two columns are named {twice[0]}; rename one")
        for said in reader:
            if None in said:
                raise UserError(f"{path}, line {reader.line_num}: more fields than columns; is a comma unquoted?")
            fields = {key: (value or "").strip() for key, value in said.items() if isinstance(key, str)}
            row = Row(reader.line_num, fields.pop("leaf"), fields.pop("hypernym"), fields)
            _check_row(path, row)
            line = first.setdefault((row.leaf, row.hypernym), row.line)
            if line != row.line:
                raise UserError(f"{path}, line {row.line}: {row.leaf},{row.hypernym} stands in line {line} already")
            rows.append(row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file in UTF-8 ({error})") from None
    if not rows:
        raise UserError(f"{path}: empty; {PAIRS}")
    return rows


def _check_row(path: Path, row: Row) -> None:
    if row.leaf and row.hypernym:
        return
    what = f"hypernym '{row.hypernym}' without a leaf" if row.hypernym else f"leaf '{row.leaf}' without a hypernym"
    raise UserError(f"{path}, line {row.line}: {what if row.leaf or row.hypernym else 'empty names'}; {PAIRS}")


def _check_names(path: Path, rows: Iterable[Row]) -> None:
    """No two names that only case, underscores or spaces tell apart: file systems and texts do not."""
    first: dict[str, tuple[str, int]] = {}
    for row in rows:
        for name in (row.leaf, row.hypernym):
            other, line = first.setdefault(folded(name), (name, row.line))
            if other != name:
                raise UserError(
                    f"{path}, line {row.line}: '{name}' and '{other}' (line {line}) differ in case or spaces only; "
                    "write one name"
                )


def _check_self(path: Path, rows: Iterable[Row], above: Mapping[str, set[str]]) -> None:
    for row in rows:
        if row.leaf == row.hypernym and not any(row.leaf in own for leaf, own in above.items() if leaf != row.leaf):
            raise UserError(
                f"{path}, line {row.line}: cyclic taxonomy: '{row.leaf}' is its own hypernym, and of nothing else; "
                "take the line out"
            )


def _check_acyclic(path: Path, above: Mapping[str, set[str]]) -> None:
    """Take away what has nothing above it until nothing is left; what never goes is in a cycle or above one."""
    left = {name: own - {name} for name, own in above.items()}
    while done := [name for name, own in left.items() if not own & left.keys()]:
        for name in done:
            del left[name]
    if left:
        chain = [min(left)]
        while chain[-1] not in chain[:-1]:
            chain.append(min(left[chain[-1]] & left.keys()))
        cycle = chain[chain.index(chain[-1]) :]
        raise UserError(f"{path}: cyclic taxonomy: {' is a '.join(cycle)}; take one of these lines out")


def _closed(own: Iterable[str], above: Mapping[str, set[str]], inner: set[str]) -> frozenset[str]:
    """These hypernyms and all that is above those of them that are inner names."""
    found, todo = set(), list(own)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += above[name] if name in inner else ()
    return frozenset(found)


def _concept(path: Path, rows: Iterable[Row], kind: str, name: str) -> Concept:
    """What the file, and else the grammar, says of a name."""
    prefix = "hypernym_" if kind == "hypernym" else ""
    own = [row for row in rows if getattr(row, kind) == name]
    if kind == "hypernym":
        own += [replace(row, said=_renamed(row.said)) for row in rows if row.leaf == name]

    def said(column: str) -> str:
        values = {row.said.get(prefix + column, "") for row in own} - {""}
        if len(values) > 1:
            raise UserError(f"{path}: {kind} '{name}' has several values of {prefix + column}: {sorted(values)}")
        return "".join(values)

    surface = said("surface") or grammar.surface(name)
    mass = said("mass").lower()
    if mass not in YES + NO:
        raise UserError(f"{path}: {kind} '{name}': {prefix}mass '{mass}' is neither yes nor no")
    is_mass = mass in YES if mass else grammar.is_mass(surface)
    plural = said("plural") or (surface if is_mass else grammar.plural(surface))
    return Concept(name, surface, plural, is_mass, tuple(filter(None, map(str.strip, said("words").split(";")))))


def _renamed(said: Mapping[str, str]) -> dict[str, str]:
    """What a line says of its leaf, said of a hypernym: where an inner name stands in the first column."""
    return {f"hypernym_{key}": value for key, value in said.items() if not key.startswith("hypernym_")}
