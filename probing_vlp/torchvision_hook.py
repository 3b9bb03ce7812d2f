"""Make torchvision load beside a CPU-only torch in every program of an environment, those of others too.

    python -m probing_vlp.torchvision_cpu

puts one line into the environment's site-packages, which Python reads when it starts: the first import of torchvision,
by whatever program, then calls `torchvision_cpu.ensure_torchvision` first.  Without it `accelerate launch`, which
imports timm, dies before it starts anything.  Does nothing where torchvision loads by itself.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

NAME = "probing-vlp-torchvision.pth"
# An environment that the project was taken out of must not complain at every start.  And what the line imports is
# forgotten: a program of another checkout than the installed one must find its own modules, not these.
LINE = (
    "import sys, importlib.util as u; "
    "u.find_spec('probing_vlp') and __import__('probing_vlp.torchvision_hook', fromlist=['watch']).watch(); "
    "[sys.modules.pop(n, None) for n in ('probing_vlp.torchvision_hook', 'probing_vlp')]\n"
)


class Watch(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Sees the import of torchvision first, and mends it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """None, so that the usual finder loads torchvision, unless mending it has loaded it already."""
        if name != "torchvision":
            return None
        sys.meta_path.remove(self)
        from probing_vlp.torchvision_cpu import ensure_torchvision

        ensure_torchvision()
        return importlib.util.spec_from_loader(name, self) if name in sys.modules else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """The module that is there."""
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it was run."""


def watch() -> None:
    """Mend torchvision when this process first imports it; Python may read the line twice, in lib and lib64."""
    if "torchvision" not in sys.modules and not any(type(finder).__name__ == "Watch" for finder in sys.meta_path):
        sys.meta_path.insert(0, Watch())


def install(folder: Path) -> Path | None:
    """Put the line into a site-packages folder; None where torchvision loads without it."""
    alone = (
        "import sys; sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != 'Watch']; import torchvision"
    )
    if subprocess.run([sys.executable, "-c", alone], capture_output=True).returncode == 0:
        (folder / NAME).unlink(missing_ok=True)
        return None
    (folder / NAME).write_text(LINE)
    return folder / NAME
