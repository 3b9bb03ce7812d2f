"""Commands run one after the other, each shown as a user would type it."""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).parents[2]

Chapter = tuple[str, list[str]]
"""What is done, and the words after `python` that do it."""


def tell(story: Sequence[Chapter]) -> None:
    """Run the chapters from the project's folder; the first that fails ends the story with its own exit code."""
    console = Console(highlight=False)
    for number, (title, command) in enumerate(story, 1):
        console.print(f"\n[bold]{number}/{len(story)} {title}[/bold]")
        # as it is, for copying: no wrapping, and brackets are not markup
        console.print(f"$ python {shlex.join(command)}", style="dim", markup=False, soft_wrap=True)
        done = subprocess.run([sys.executable, *command], cwd=ROOT)
        if done.returncode:
            raise SystemExit(done.returncode)
