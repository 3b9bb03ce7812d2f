"""The command line: help for every option, precedence, and mistakes in one line."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from jsonargparse import ArgumentParser

import probe
import train
from analysis.__main__ import COMMANDS as ANALYSES
from probing_vlp import __version__
from probing_vlp.cli import Command, build_parser, main
from probing_vlp.errors import UserError

PROGRAMS: Mapping[str, Mapping[str, Command]] = {
    "train.py": train.COMMANDS,
    "probe.py": probe.COMMANDS,
    "python -m analysis": ANALYSES,
}
EVERY = [(program, name) for program, commands in PROGRAMS.items() for name in commands]


@dataclass
class Inner:
    """Sizes."""

    width: int = 4
    """Width of it."""


@dataclass
class Data:
    """Where from."""

    trust_pickle: bool = False
    """Whether."""
    regions: str = ""
    """Which."""


@dataclass
class Several:
    """A list of scorers."""

    scorers: list[str] = field(default_factory=list)
    """Which."""
    max_length: int = 1
    """How long."""
    data: Data = field(default_factory=Data)


@dataclass
class Pair:
    """Two files."""

    a: str
    """The one."""
    b: str
    """The other."""
    seed: int = 1
    """Seed."""


@dataclass
class Weighted:
    """Scorers with weights."""

    scorers: dict[str, float] = field(default_factory=dict)
    """How much."""
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    """How."""


@dataclass
class Outer:
    """A command of the test's own."""

    run: str = "runs/a"
    """Where to."""
    resume: bool = False
    """Go on."""
    rate: float = 0.5
    """How fast."""
    kind: Literal["near", "far"] = "near"
    """Which one."""
    inner: Inner = field(default_factory=Inner)
    names: list[str] = field(default_factory=list)
    """Who."""
    weights: dict[str, float] = field(default_factory=dict)
    """How much."""

    def __post_init__(self) -> None:
        if self.rate > 10:
            raise UserError(f"--rate {self.rate}: too fast")


def parse(*argv: object) -> Outer:
    """What the command is given."""
    given: list[Outer] = []
    main(
        "prog",
        "A program.",
        {"do": Command(Outer, given.append, "does it"), "rest": Command(Inner, given.append, "rests")},
        ["do", *map(str, argv)],
    )
    return given[0]


def refused(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    """The one line."""
    with pytest.raises(SystemExit) as stop:
        parse(*argv)
    said = capsys.readouterr()
    assert (stop.value.code, said.out) == (2, "")
    assert said.err.startswith("error: ") and said.err.count("\n") == 1
    return said.err


@pytest.mark.parametrize(("program", "name"), EVERY, ids=[" ".join(each) for each in EVERY])
def test_every_option_has_help(program: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, subparsers = build_parser(program, "", PROGRAMS[program])
    options = {
        option: action.help
        for action in subparsers[name]._actions
        for option in action.option_strings
        if len(option) > 2 and "Config" not in str(getattr(action, "_typehint", ""))
    }
    bare = [option for option, text in options.items() if not text or text.startswith("(")]
    assert bare == []
    assert len(options) > 3
    with pytest.raises(SystemExit) as stop:
        main(program, "", PROGRAMS[program], [name, "--help"])
    assert stop.value.code == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert [option for option in options if f"{option} " not in said.out and f"{option}\n" not in said.out] == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_programs_list_their_commands(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(program, "What it is for.", PROGRAMS[program], ["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert stop.value.code == 0 and "What it is for." in said
    for name, command in PROGRAMS[program].items():
        assert name in said and command.help in said


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main("train.py", "", PROGRAMS["train.py"], ["--version"])
    assert stop.value.code == 0 and __version__ in capsys.readouterr().out


def test_defaults_then_yaml_then_options(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("run: from-a\nrate: 1\ninner: {width: 5}\nnames: [x]\n")
    second.write_text("rate: 2\n")
    assert parse() == Outer()
    assert parse("--config", first) == Outer(run="from-a", rate=1.0, inner=Inner(5), names=["x"])
    assert parse("--config", first, "--config", second) == Outer(run="from-a", rate=2.0, inner=Inner(5), names=["x"])
    assert parse("--config", first, "--rate", 3, "--inner.width=6") == Outer(
        run="from-a", rate=3.0, inner=Inner(6), names=["x"]
    )
    assert parse("--rate", 3, "--config", first).rate == 1.0  # in the order given


def test_a_switch_alone_means_yes(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("resume: true\n")
    assert [parse(*argv).resume for argv in ([], ["--resume"], ["--resume", "true"], ["--resume=false"])] == [
        False,
        True,
        True,
        False,
    ]
    assert parse("--resume", "--rate", 2) == Outer(resume=True, rate=2.0)
    assert parse("--config", tmp_path / "a.yaml", "--resume", "false") == Outer()


def test_lists_and_tables(tmp_path: Path) -> None:
    assert parse("--names", "[a, 'b c']").names == ["a", "b c"]
    assert parse("--weights.mini-clip", 1, "--weights.mine:C", 0.5).weights == {"mini-clip": 1.0, "mine:C": 0.5}
    assert parse("--weights", '{"a.b:C": 0.5}').weights == {"a.b:C": 0.5}
    (tmp_path / "a.yaml").write_text("weights: {x: 1}\n")
    assert parse("--config", tmp_path / "a.yaml", "--weights.y", 2).weights == {"x": 1.0, "y": 2.0}
    assert parse("--config", tmp_path / "a.yaml", "--weights", '{"y": 2}').weights == {"y": 2.0}


def test_an_unknown_option_names_its_neighbours(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "--ratte", 1) == "error: unknown option --ratte; did you mean --rate? see --help\n"
    assert (
        refused(capsys, "--inner.widht", 1)
        == "error: unknown option --inner.widht; did you mean --inner.width or --inner? see --help\n"
    )
    assert refused(capsys, "--xyzzy", 1) == "error: unknown option --xyzzy; see --help\n"
    assert "unknown option --weight;" in refused(capsys, "--weight", 1)  # the beginning of an option is not enough


def test_bad_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert "rate" in refused(capsys, "--rate", "fast")
    assert "'near', 'far'" in refused(capsys, "--kind", "middling")
    assert "resume" in refused(capsys, "--resume", "perhaps")
    assert "too fast" in refused(capsys, "--rate", 11)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("rate: [1", "a.yaml: not a YAML file of options"),
        ("raet: 1", "a.yaml: unknown option raet; did you mean --rate?"),
        ("rate: fast", "rate"),
        ("inner: {widht: 1}", "widht"),
        ("- 1", ""),
        ("\x00", "a.yaml"),
    ],
)
def test_bad_yaml(content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(content)
    assert message in refused(capsys, "--config", tmp_path / "a.yaml")
    assert message in refused(capsys, f"--config={tmp_path / 'a.yaml'}")


def test_no_such_yaml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "none.yaml" in refused(capsys, "--config", tmp_path / "none.yaml")
    assert str(tmp_path) in refused(capsys, "--config", tmp_path)


def test_no_command_and_an_unknown_one(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in ([], ["dance"], ["--rate", "1"]):
        with pytest.raises(SystemExit) as stop:
            main("prog", "", {"do": Command(Outer, print, "does it")}, argv)
        said: Any = capsys.readouterr()
        assert stop.value.code == 2 and said.err.startswith("error: ") and said.err.count("\n") == 1


@functools.cache
def parser_of(program: str) -> ArgumentParser:
    return build_parser(program, "", PROGRAMS[program])[0]


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[1] / "configs").glob("*.yaml")), ids=lambda path: path.name
)
def test_every_config_is_one_of_a_command(path: Path) -> None:
    """Each file in configs/ is taken by at least one command, to the last key."""
    taken = []
    for program, name in EVERY:
        try:
            parser_of(program).parse_args(
                [name, "--config", str(path), *(["--images", "x"] if name == "features" else [])]
            )
            taken.append(name)
        except Exception:
            continue
    assert taken


def test_hyphens_and_the_singular_of_scorers() -> None:
    seen: list[Any] = []
    commands = {
        "dump": Command(Several, seen.append, "a list of scorers"),
        "scst": Command(Weighted, seen.append, "weighted scorers"),
    }
    main("x", "", commands, ["dump", "--scorer", "a.b:C", "--max-length", "-3", "--scorer=clip"])
    main("x", "", commands, ["dump", "--trust-pickle", "--regions=a-b.tsv"])
    main("x", "", commands, ["scst", "--scorer", "a.b:C", "--options.clip.arch", "B-32", "--options.clip.dim=4"])
    assert seen[:2] == [Several(["a.b:C", "clip"], -3), Several(data=Data(True, "a-b.tsv"))]
    assert seen[2:] == [Weighted({"a.b:C": 1.0}, {"clip": {"arch": "B-32", "dim": 4}})]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["x.csv", "y.npz"], ("x.csv", "y.npz", 1)),
        (["x.csv", "--b", "y", "--seed", "2"], ("x.csv", "y", 2)),
        (["--seed", "3", "--b", "y", "--a", "x"], ("x", "y", 3)),
    ],
)
def test_first_words_without_a_name(words: list[str], expected: tuple[str, str, int]) -> None:
    got: list[Pair] = []
    main(
        "probe.py",
        "Two files.",
        {"family-compare": Command(Pair, got.append, "two", "a b")},
        ["family", "compare", *words],
    )
    assert [(pair.a, pair.b, pair.seed) for pair in got] == [expected]
