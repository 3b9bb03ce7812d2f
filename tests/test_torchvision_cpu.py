"""torchvision's compiled ops beside a CPU-only torch: every case in a process of its own, as imports happen once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from probing_vlp.torchvision_cpu import elf_symbols, stub_source

pytestmark = pytest.mark.skipif(
    torch.version.cuda is not None or sys.platform != "linux",
    reason="torch has CUDA or is not on Linux: torchvision loads by itself",
)

# Two boxes of 10 x 10 that share 9 x 10: IoU = 90 / (100 + 100 - 90) = 0.818 > 0.5, so the lower score goes.
NMS = """
import torch
from probing_vlp.torchvision_cpu import ensure_torchvision
ensure_torchvision(); ensure_torchvision()
import torchvision
boxes = torch.tensor([[0., 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30]])
assert torchvision.ops.nms(boxes, torch.tensor([.8, .9, .7]), .5).tolist() == [1, 2]
assert torchvision.ops.nms(boxes, torch.tensor([.8, .9, .7]), .9).tolist() == [1, 0, 2]
pooled = torchvision.ops.roi_align(torch.full((1, 1, 8, 8), 3.), torch.tensor([[0, 1., 1, 6, 6]]), 2)
assert pooled.shape == (1, 1, 2, 2) and (pooled == 3).all()  # the mean of a constant map is that constant
assert not torch.cuda.is_available()
"""


def start(code: str, cache: Path, **environment: str) -> subprocess.Popen[str]:
    variables = {**os.environ, "PYTHONPATH": os.getcwd(), "PROBING_VLP_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code], env={**variables, **environment}, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that two processes have filled at once."""
    folder = tmp_path_factory.mktemp("cache")
    for process in [start(NMS, folder) for _ in range(2)]:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    return folder


def test_two_processes_may_build_at_once(cache: Path) -> None:
    (built,) = (cache / "torchvision-stubs").iterdir()  # one folder, and nothing half-built beside it
    assert {"libc10_cuda.so", "libtorch_cuda.so"} <= {path.name for path in built.iterdir()}


def test_libraries_that_need_torchvision_import(cache: Path) -> None:
    done = start(
        "from probing_vlp.torchvision_cpu import ensure_torchvision; ensure_torchvision()\n"
        "from transformers import BertModel\nimport open_clip, timm",
        cache,
    )
    _, errors = done.communicate()
    assert done.returncode == 0, errors


def test_a_stub_stands_in_for_a_missing_libcudart(cache: Path) -> None:
    stub = next((cache / "torchvision-stubs").glob("*/libcudart*"))
    done = start(f"import ctypes; ctypes.CDLL({str(stub)!r})\n{NMS}", cache)  # loaded first: it wins over a real one
    _, errors = done.communicate()
    assert done.returncode == 0, errors


def test_a_called_stub_says_why_it_stops(cache: Path) -> None:
    stub = next((cache / "torchvision-stubs").glob("*/libc10_cuda.so"))
    done = start(f"import ctypes; ctypes.CDLL({str(stub)!r})._ZN3c104cuda12device_countEv()", cache)
    _, errors = done.communicate()
    assert done.returncode < 0
    assert "the CUDA function _ZN3c104cuda12device_countEv, but torch is CPU-only" in errors


def test_without_a_compiler_imports_work_and_ops_say_what_is_missing(tmp_path: Path) -> None:
    done = start(
        """
import torch
from probing_vlp.errors import UserError
from probing_vlp.torchvision_cpu import ensure_torchvision
ensure_torchvision()
import torchvision, transformers
from transformers import BertModel
torchvision.models.resnet18()(torch.zeros(2, 3, 32, 32))
boxes = torch.ones(1, 4)
for call in (lambda: torchvision.ops.nms(boxes, torch.ones(1), .5), lambda: torchvision.io.read_image('a.jpg'),
             lambda: torchvision.ops.roi_align(torch.ones(1, 1, 8, 8), [boxes], 2)):
    try:
        call()
    except UserError as error:
        assert 'install gcc' in str(error) and '\\n' not in str(error)
    else:
        raise SystemExit('no UserError')
""",
        tmp_path,
        PATH="",
        CC="",
    )
    _, errors = done.communicate()
    assert done.returncode == 0, errors


def test_symbols_of_the_installed_library() -> None:
    import importlib.util

    spec = importlib.util.find_spec("torchvision")
    assert spec is not None and spec.origin is not None
    needed, undefined = elf_symbols(Path(spec.origin).with_name("_C.so"))
    assert "libtorch_cpu.so" in needed and "libc.so.6" in needed
    assert "PyInit__C" not in undefined and any("c10" in name for name in undefined)


def test_stub_source_lets_registrations_pass() -> None:
    lines = stub_source({"__cudaRegisterVar", "cudaGetLastError"}).splitlines()[-2:]
    assert lines == [
        "void *__cudaRegisterVar(void) { return 0; }",
        'void *cudaGetLastError(void) { return stop("cudaGetLastError"); }',
    ]
