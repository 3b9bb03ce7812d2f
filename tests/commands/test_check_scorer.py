"""`probe.py check-scorer`, and the scorer that CONTRIBUTING.md shows, written to a file outside the project."""

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from programs import ROOT, Programs
from scorer_toys import SIZES, save_toy_mini_clip

from probing_vlp.commands.check_scorer import CheckConfig, make_visuals, run
from probing_vlp.dump import read_dump
from probing_vlp.errors import UserError
from probing_vlp.records import FeatureVector, Pixels, References, Regions
from probing_vlp.scorers import load_scorer
from probing_vlp.scorers.base import TensorEncoded
from probing_vlp.scorers.conformance import CHECKS, IMAGES


class Good:
    """Words of a caption, times a random number of the image's."""

    name, visual, unit = "good", "features", "logit"

    def __init__(self, device: Any = "cpu") -> None:
        pass

    def encode(self, visuals: Any) -> TensorEncoded:
        return TensorEncoded(torch.tensor([visual.vector[0] for visual in visuals]))

    def score(self, encoded: TensorEncoded, captions: Any) -> torch.Tensor:
        if len(captions) != len(encoded):
            raise ValueError("more captions than images")
        words = torch.tensor([float(len(caption.split())) or torch.nan for caption in captions])
        return encoded.tensor * words


class Colourful(Good):
    """Sees one kind of word alone."""

    kind = frozenset({"red", "green", "black", "blue"})

    def score(self, encoded: TensorEncoded, captions: Any) -> torch.Tensor:
        named = [float(len(self.kind & set(caption.split()))) for caption in captions]
        return super().score(encoded, captions) * 0 + torch.tensor(named)


class Crowded(Colourful):
    kind = frozenset({"people", "person", "two", "man"})


class Double(Good):
    def score(self, encoded: TensorEncoded, captions: Any) -> torch.Tensor:
        return super().score(encoded, captions).double()


class Relative(Good):
    """Scores relative to the batch."""

    def score(self, encoded: TensorEncoded, captions: Any) -> torch.Tensor:
        scores = super().score(encoded, captions)
        return scores - scores.nanmean()


class Noisy(Good):
    def score(self, encoded: TensorEncoded, captions: Any) -> torch.Tensor:
        return super().score(encoded, captions) + torch.rand(len(captions))


class Eager(Good):
    """Scores blank captions."""

    def score(self, encoded: TensorEncoded, captions: Any) -> torch.Tensor:
        return super().score(encoded, captions).nan_to_num(0)


class Loose(Good):
    """Takes any number of captions."""

    def score(self, encoded: TensorEncoded, captions: Any) -> torch.Tensor:
        fewer = min(len(encoded), len(captions))
        return super().score(encoded.select(range(fewer)), captions[:fewer])


class Unbounded(Good):
    unit = "probability"


class Odd(Good):
    unit = "percent"


class First(TensorEncoded):
    """Picks the first row, whatever is asked for."""

    def select(self, rows: Any) -> "First":
        return First(self.tensor[[0] * len(rows)])


class Forgetful(Good):
    def encode(self, visuals: Any) -> TensorEncoded:
        return First(super().encode(visuals).tensor)


class Crashing(Good):
    def score(self, encoded: TensorEncoded, captions: Any) -> torch.Tensor:
        if not captions:
            raise IndexError("list index out of range")
        return super().score(encoded, captions)


class Lists(Good):
    def score(self, encoded: TensorEncoded, captions: Any) -> Any:
        return super().score(encoded, captions).tolist()


class Leaving(Good):
    def score(self, encoded: TensorEncoded, captions: Any) -> torch.Tensor:
        raise SystemExit(5)


class LeavingAtTheEnd(Good):
    def score(self, encoded: TensorEncoded, captions: Any) -> torch.Tensor:
        if not captions:
            raise SystemExit(5)
        return super().score(encoded, captions)


class Unmade(Good):
    def __init__(self, device: Any = "cpu") -> None:
        raise RuntimeError("first line\nsecond line")


class Opening(Good):
    def __init__(self, device: Any = "cpu") -> None:
        open("/nowhere/at-all")  # noqa: SIM115


class Dashing(Good):
    def __init__(self, device: Any = "cpu") -> None:
        sys.exit("enough")


def failures(name: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit) as left:
        run(CheckConfig(f"{__name__}:{name}"))
    assert left.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CHECKS) + 1 and lines[-1].endswith("checks failed")
    assert all(line.startswith(("ok    ", "FAIL  ")) for line in lines[:-1])
    return [line for line in lines if line.startswith("FAIL")]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("Double", r"score\(\) gave torch.float64, not torch.float32"),
        ("Relative", r"does not depend on what is scored beside it: score 0 is \S+ in a batch, 0 alone"),
        ("Noisy", r"repeat bit for bit.*: scored twice: \["),
        ("Eager", r"blank captions scored \[0.0, 0.0\]; they must be NaN"),
        ("Loose", r"4 captions for 2 images gave 2 scores; it must raise ValueError"),
        ("Unbounded", r"is no probability \(0.0 to 1.0\)"),
        ("Odd", r"unit is 'percent', not one of cosine, cider, probability, logit"),
        ("Forgetful", r"score \d is \S+ picked after encoding, \S+ encoded as picked"),
        ("LeavingAtTheEnd", r"no images and no captions give no scores: SystemExit: 5"),
        ("Crashing", r"no images and no captions give no scores: IndexError: list index out of range"),
    ],
)
def test_what_is_wrong_is_said(name: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert any(re.search(complaint, line) for line in failures(name, capsys))


@pytest.mark.parametrize(
    ("name", "complaint"), [("Lists", "score() gave a list, not a tensor"), ("Leaving", "SystemExit: 5")]
)
def test_scores_of_no_use_are_said_once(name: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run(CheckConfig(f"{__name__}:{name}"))
    assert left.value.code == 1
    assert capsys.readouterr().out.splitlines() == [
        "ok    name, visual and unit are declared, encode and score are there",
        f"FAIL  score() gives one float32 a caption, on the CPU: {complaint}",
        f"skip  {len(CHECKS) - 2} more checks, which need a score a caption",
        f"{__name__}:{name}: 1 checks failed",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Unmade", "RuntimeError: first line"),
        ("Opening", "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/at-all'"),
        ("Dashing", "SystemExit: enough"),
    ],
)
def test_a_class_that_cannot_be_made_is_named(name: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        run(CheckConfig(f"{__name__}:{name}"))
    assert str(caught.value) == f"{__name__}:{name}: cannot be made ({said}); mend its __init__"


@pytest.mark.parametrize("name", ["Good", "Colourful", "Crowded"])
def test_a_good_one_passes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(CheckConfig(f"{__name__}:{name}"))
    assert capsys.readouterr().out.count("ok    ") == len(CHECKS)


@pytest.mark.parametrize(
    ("kind", "record"),
    [("pixels", Pixels), ("features", FeatureVector), ("regions", Regions), ("references", References)],
)
def test_visuals_of_every_kind(kind: str, record: type, tmp_path: Path) -> None:
    visuals = make_visuals(kind, tmp_path, CheckConfig("any", width=5), None)
    assert len(visuals) == IMAGES and all(isinstance(visual, record) for visual in visuals)
    for visual in visuals:
        if isinstance(visual, Regions):
            assert visual.features.shape[1] == 5 and (visual.boxes[:, 2:] > visual.boxes[:, :2]).all()
            assert visual.boxes.min() >= 0 and (visual.boxes.max(0) <= [640, 480, 640, 480]).all()
        if isinstance(visual, FeatureVector):
            assert visual.vector.shape == (5,) and visual.backbone == "noise"


def test_the_command(programs: Programs, tmp_path: Path) -> None:
    checkpoint = save_toy_mini_clip(tmp_path)
    words = ["mini-clip", "--options.checkpoint", str(checkpoint), "--width", str(SIZES.features), "--backbone", "toy"]
    assert programs.run("probe.py", "check-scorer", *words).succeeded().out.endswith("fit for training and reports\n")
    assert programs.run("probe.py", "check-scorer", "test_check_scorer:Loose").code == 1
    (tmp_path / "cut_short.py").write_text("def f(:\n")
    result = programs.run("probe.py", "check-scorer", "cut_short:Thing", PYTHONPATH=str(tmp_path))
    assert result.code == 2 and result.err.count("\n") == 1
    assert "module cut_short cannot be imported (SyntaxError: invalid syntax (cut_short.py, line 1))" in result.err
    result = programs.run("probe.py", "check-scorer", "test_check_scorer:Unmade")
    assert result.code == 2 and result.err == (
        "error: test_check_scorer:Unmade: cannot be made (RuntimeError: first line); mend its __init__\n"
    )
    result = programs.run("probe.py", "check-scorer", "vilt")
    assert result.code == 2 and result.err.count("\n") == 1
    assert "options of scorer 'vilt': missing a required argument: 'checkpoint'" in result.err


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (CheckConfig("no.such:Thing"), "there is no module no"),
        (CheckConfig("probing_vlp.errors:UserError"), "is not a class of ours to make; name one with encode and score"),
        (CheckConfig("pathlib:PurePath"), "its attribute visual is None, not one of pixels"),
        (CheckConfig("mini-clip", width=6), "features of width 1280"),
        (
            CheckConfig("mini-clip", {"checkpoin": "x"}),
            "got an unexpected keyword argument 'checkpoin'; it takes checkpoint",
        ),
        (
            CheckConfig("mini-clip", {"device": "nonsense"}),
            "device 'nonsense' cannot be used .*; give cpu, or cuda where",
        ),
    ],
)
def test_mistakes_of_the_user(config: CheckConfig, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        run(config)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that holds the scorer of CONTRIBUTING.md, and nothing of the project."""
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)
    (code,) = (text for text in shown if "class BusyScorer" in text)
    assert len(code.splitlines()) <= 30
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "my_scorer.py").write_text(code)
    return tmp_path / "outside"


def test_the_scorer_of_contributing(
    outside: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(outside))
    run(CheckConfig("my_scorer:BusyScorer"))
    assert "FAIL" not in capsys.readouterr().out
    scorer = load_scorer("my_scorer:BusyScorer")
    assert Path(sys.modules["my_scorer"].__file__ or "").parent == outside and scorer.visual == "pixels"


def test_the_scorer_of_contributing_trains_and_scores(outside: Path, place: Path, programs: Programs) -> None:
    paths = os.pathsep.join([str(outside), programs.environment["PYTHONPATH"]])
    data = f"--data.source {place}/data --data.features {place}/features --data.images {place}/images".split()
    name, new, dump = "my_scorer:BusyScorer", place / "scst", place / "scst.jsonl"
    words = [*data, "--init", place / "ce", "--run", new, f"--scorers.{name}", 1, "--steps", 2]
    programs.run("train.py", "scst", *words, "--batch_size", 8, "--samples", 2, PYTHONPATH=paths).succeeded()
    words = [*data, "--run", new, "--split", "test", "--out", dump, "--scorers", f"[{name}]"]
    programs.run("probe.py", "dump", *words, PYTHONPATH=paths).succeeded()
    scores = [record.scores[name] for record in read_dump(dump).records]
    assert len(scores) == 16 and all(score is not None and score <= 0 for score in scores)
