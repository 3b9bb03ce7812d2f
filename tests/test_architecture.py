"""The arrows of the design, walked through the imports; and what every source file must have."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import ROOT

SOURCES = sorted(
    path.relative_to(ROOT) for folder in ("probing_vlp", "analysis", "bench") for path in (ROOT / folder).rglob("*.py")
)
PROGRAMS = [Path("train.py"), Path("probe.py")]
LONGEST = 400
"""Lines in a file, tests too."""
LAYERS = (
    {"__init__", "errors", "records", "lookup", "stats", "files", "json_list", "memory", "resuming"},
    {"checkpoints", "cider_d", "cli", "dump", "pages", "shorthand", "tagging"},
    {"hub", "torchvision_cpu", "torchvision_hook"},
    {"data"},
    {"captioner", "scorers"},
    {"training", "taxonomy", "similarity"},
    {"experiments"},
    {"commands"},
)
"""Parts of probing_vlp; a part imports from its own layer or from an earlier one."""
APART = [
    ("captioner", "scorers"),
    ("scorers", "captioner"),
    *(
        (probe, other)
        for probe in ("taxonomy", "similarity")
        for other in ("training", "taxonomy", "similarity")
        if probe != other
    ),
    ("taxonomy", "captioner"),
    ("taxonomy", "scorers"),
    ("training", "taxonomy"),
    ("training", "similarity"),
]
ROOMS = {
    "analysis": ("", "statistics", "patterns", "drift", "streams", "verification", "habits", "report"),
    "probing_vlp.taxonomy": ("", "asking", "answers", "model", "language", "report"),
    "probing_vlp.commands": ("chapters", "partial", "scoring", "constructing", ""),
    "probing_vlp.similarity": ("words", "distances", "encoders", "study", "report", ""),
}
"""Folders of a package, "" its own modules; a room imports from itself or from an earlier one, `__main__` from all."""
CIRCLES = [
    ("probing_vlp.scorers.base", "probing_vlp.scorers"),
    ("probing_vlp.data.region_file", "probing_vlp.data.regions"),
    ("probing_vlp.torchvision_hook", "probing_vlp.torchvision_cpu"),
]
"""Imports that lead back, each inside a function: a name is looked up in the table of its own package, a copy in
another process opens its file again, and torchvision is mended by what installs the mending."""
HEAVY = {"torch", "torchvision", "transformers", "open_clip", "timm", "accelerate", "safetensors"}
LIGHT = [
    "probing_vlp.records",
    "probing_vlp.stats",
    "probing_vlp.lookup",
    "probing_vlp.errors",
    "probing_vlp.files",
    "probing_vlp.dump",
    "probing_vlp.tagging",
    "probing_vlp.cli",
    "probing_vlp.data.splits",
    "probing_vlp.data.vocabulary",
    "probing_vlp.data.text",
    "probing_vlp.data.embedded",
    "probing_vlp.data.features",
    "probing_vlp.data.regions",
    "probing_vlp.pages.probe_page",
]
"""Modules that must do without torch, beside all of analysis/."""


def name_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in SOURCES}


@functools.cache
def parse(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@functools.cache
def imports(path: Path) -> frozenset[str]:
    """Every module named in an import, inside functions too."""
    found = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}, line {node.lineno}: write the whole name of the module"
            assert node.module
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & MODULES.keys()) or {node.module}
    return frozenset(found)


def part_of(module: str) -> str | None:
    """ "data" for probing_vlp.data.splits; None for what is not of probing_vlp."""
    first, *rest = module.split(".")
    return (rest[0] if rest else "__init__") if first == "probing_vlp" else None


def layer(part: str) -> int:
    for number, parts in enumerate(LAYERS):
        if part in parts:
            return number
    pytest.fail(f"probing_vlp/{part}: has no place in LAYERS; put it into the earliest layer that its imports allow")


def arrows() -> Iterator[tuple[str, str]]:
    """(importing module, imported module of ours)."""
    for name, path in MODULES.items():
        for imported in imports(path):
            if imported.split(".")[0] in ("probing_vlp", "analysis", "bench", "tests", "train", "probe"):
                yield name, imported


def test_arrows_run_one_way() -> None:
    wrong = []
    for name, imported in arrows():
        source, target = part_of(name), part_of(imported)
        if source is None:
            continue
        if target is None or layer(target) > layer(source) or (source, target) in APART:
            wrong.append(f"{name} imports {imported}")
    assert wrong == []


def test_imports_run_in_circles_nowhere_else() -> None:
    """Modules that import none of those left are taken away; what stays is in a circle, or imports one."""
    left = {name: {target for source, target in arrows() if source == name} & MODULES.keys() for name in MODULES}
    for source, target in CIRCLES:
        left[source].remove(target)
    while done := [name for name, targets in left.items() if not (targets - {name}) & left.keys()]:
        for name in done:
            del left[name]
    assert left == {}


def room_of(package: str, module: str) -> int:
    """The place of a module among the rooms of its package."""
    first, *rest = [*module.removeprefix(package).strip(".").split("."), ""]
    return ROOMS[package].index(first if rest[:-1] or first in ROOMS[package] else "")


@pytest.mark.parametrize("package", ROOMS)
def test_arrows_between_rooms_run_one_way(package: str) -> None:
    assert [
        f"{name} imports {imported}"
        for name, imported in arrows()
        if name.startswith(f"{package}.") and imported.startswith(f"{package}.") and name != "analysis.__main__"
        if room_of(package, imported) > room_of(package, name)
    ] == []


def test_nobody_reaches_into_programs_tests_or_measurements() -> None:
    allowed = {
        "probing_vlp": {"probing_vlp"},
        "analysis": {"analysis", "probing_vlp"},
        "bench": {"bench", "probing_vlp"},
    }
    wrong = [
        f"{name} imports {imported}"
        for name, imported in arrows()
        if imported.split(".")[0] not in allowed[name.split(".")[0]]
    ]
    assert wrong == []


@pytest.mark.parametrize("start", [*LIGHT, *(name for name in MODULES if name.split(".")[0] == "analysis")])
def test_no_torch_behind_what_reads_dumps(start: str) -> None:
    reached, todo = {start: ""}, [start]
    while todo:
        name = todo.pop()
        packages = {name.rsplit(".", i)[0] for i in range(name.count(".") + 1)}
        for imported in {*imports(MODULES[name]), *(packages & MODULES.keys())}:
            heavy = imported.split(".")[0] in HEAVY
            assert not heavy, f"{start} reaches {imported} by way of {name}{reached[name]}"
            if imported in MODULES and imported not in reached:
                reached[imported] = f", which {name} imports"
                todo.append(imported)


def test_analyses_read_dumps_and_nothing_of_training() -> None:
    makers = {"captioner", "scorers", "training", "commands"}
    assert [
        f"{name} imports {imported}"
        for name, imported in arrows()
        if name.split(".")[0] == "analysis" and part_of(imported) in makers
    ] == []


def test_every_file_says_what_it_is_and_is_typed() -> None:
    wrong = [str(path) for path in [*SOURCES, *PROGRAMS] if not ast.get_docstring(parse(path))]
    for path in [*SOURCES, *PROGRAMS]:
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = node.args
                arguments = [
                    *given.posonlyargs,
                    *given.args,
                    *given.kwonlyargs,
                    *filter(None, (given.vararg, given.kwarg)),
                ]
                if node.returns is None or any(
                    a.annotation is None and a.arg not in ("self", "cls") for a in arguments
                ):
                    wrong.append(f"{path}, line {node.lineno}: {node.name}")
    assert wrong == []


def test_public_names_are_explained() -> None:
    """Functions and classes at the top of a module, and the methods of its public classes."""

    def bare(body: list[ast.stmt], inside: str) -> Iterator[str]:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                if ast.get_docstring(node) is None:
                    yield f"{inside} {node.name}"
                if isinstance(node, ast.ClassDef):
                    yield from bare(node.body, f"{inside} {node.name}")

    assert [name for path in SOURCES for name in bare(parse(path).body, str(path))] == []


def test_no_file_is_long() -> None:
    tests = (path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))
    lengths = {path: (ROOT / path).read_text(encoding="utf-8").count("\n") for path in [*SOURCES, *PROGRAMS, *tests]}
    assert {str(path): length for path, length in lengths.items() if length > LONGEST} == {}
