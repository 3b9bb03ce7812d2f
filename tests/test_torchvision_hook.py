"""torchvision mended in programs that know nothing of the project."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import torch
from programs import ROOT

from probing_vlp.torchvision_hook import LINE, NAME, Watch, install, watch

pytestmark = pytest.mark.skipif(
    torch.version.cuda is not None or sys.platform != "linux",
    reason="torch has CUDA or is not on Linux: torchvision loads by itself",
)
SITE_PACKAGES = Path(torch.__file__).parents[1]
FOREIGN = """
import timm, torchvision, torch
boxes = torch.tensor([[0., 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30]])
try:
    print(torchvision.ops.nms(boxes, torch.tensor([.8, .9, .7]), .5).tolist())
except Exception as error:
    print(type(error).__name__)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the line in it, that sees this one's packages and the project."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "_paths.pth").write_text(f"{SITE_PACKAGES}\n{ROOT}\n")
    (site / NAME).write_text(LINE)
    return folder


def run(environment: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [environment / "bin" / "python", *words], env={**clean, **variables}, capture_output=True, text=True
    )


def test_a_foreign_program_imports_timm(environment: Path) -> None:
    done = run(environment, "-c", FOREIGN)
    assert (done.returncode, done.stdout) == (0, "[1, 2]\n"), done.stderr  # 0 and 1 overlap by 0.8, 1 scores more


def test_without_a_compiler_too_but_for_the_ops(environment: Path, tmp_path: Path) -> None:
    done = run(environment, "-c", FOREIGN, PATH=str(tmp_path), PROBING_VLP_CACHE=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "UserError\n"), done.stderr


def test_a_program_that_mends_by_itself_under_the_line(environment: Path, tmp_path: Path) -> None:
    asked = f"from probing_vlp.torchvision_cpu import ensure_torchvision; ensure_torchvision(){FOREIGN}"
    assert run(environment, "-c", asked).stdout == "[1, 2]\n"
    done = run(environment, "-c", asked, PATH=str(tmp_path), PROBING_VLP_CACHE=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "UserError\n"), done.stderr


def test_accelerate_launch_starts(environment: Path) -> None:
    done = run(environment, "-c", "import sys; from accelerate.commands.accelerate_cli import main; main()", "env")
    assert done.returncode == 0 and "`Accelerate` version" in done.stdout, done.stderr


def test_it_costs_nothing_where_torchvision_is_not_imported(environment: Path) -> None:
    done = run(environment, "-c", "import sys; print([n for n in sys.modules if n.startswith(('torch', 'probing'))])")
    assert done.stdout == "[]\n"


def test_another_checkout_finds_its_own_modules(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "probing_vlp").mkdir()
    (tmp_path / "probing_vlp" / "__init__.py").write_text("here = True\n")
    (tmp_path / "program.py").write_text("import probing_vlp; print(probing_vlp.here)\n")
    assert run(environment, str(tmp_path / "program.py")).stdout == "True\n"


def test_an_environment_without_the_project_does_not_complain(tmp_path: Path) -> None:
    venv.create(tmp_path)
    (site,) = tmp_path.glob("lib/python*/site-packages")
    (site / NAME).write_text(LINE)
    assert run(tmp_path, "-c", "print(1)").stderr == ""


def test_one_watch_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    watch()
    watch()
    assert [type(finder) for finder in sys.meta_path].count(Watch) == 1


def test_installed_where_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert install(tmp_path) == tmp_path / NAME
    assert (tmp_path / NAME).read_text() == LINE
    (tmp_path / "torchvision.py").write_text("")  # one that loads
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert install(tmp_path) is None
    assert not (tmp_path / NAME).exists()
