"""`probe.py demo`: the whole story on the embedded data, each chapter the command that a user would type.

CE training, self-critical training towards mini-clip, dumps of both, what of the change mini-clip pays for, and the
report on all of it.  Run again after an interruption, it goes on where it was.
"""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from probing_vlp.commands.chapters import Chapter, tell
from probing_vlp.commands.story import ending


@dataclass
class DemoConfig:
    """The demonstration."""

    out: str = "runs/demo"
    """Folder for the runs and the report."""
    images: str = ""
    """Folder of the photographs, to put them into the report; without it the page asks COCO's server for them."""


def chapters(config: DemoConfig) -> list[Chapter]:
    """What is done and the command that does it."""
    out = Path(config.out)
    ce, scst = (str(out / name) for name in ("ce", "scst-mini-clip"))
    scorers = "[mini-clip, cider]"
    return [
        (
            "train a captioner by cross-entropy",
            ["train.py", "ce", "--config", "configs/demo-ce.yaml", "--run", ce, "--resume"],
        ),
        (
            "train it on towards the score of mini-clip",
            ["train.py", "scst", "--config", "configs/demo-scst.yaml", "--run", scst, "--init", ce, "--resume"],
        ),
        (
            "describe the test photographs with the first",
            ["probe.py", "dump", "--run", ce, "--scorers", scorers, "--name", "CE"],
        ),
        (
            "describe them with the second",
            ["probe.py", "dump", "--run", scst, "--scorers", scorers, "--name", "SCST mini-clip"],
        ),
        *ending(
            "mini-clip",
            {},
            [f"{ce}/dumps/test.jsonl", f"{scst}/dumps/test.jsonl"],
            str(out),
            ["--images", config.images] if config.images else [],
        ),
    ]


def run(config: DemoConfig) -> None:
    """Tell the story."""
    out = Path(config.out).resolve()
    tell(chapters(DemoConfig(str(out), str(Path(config.images).resolve()) if config.images else "")))
    Console(highlight=False).print(
        f"\nThe report: [bold]{out / 'report' / 'index.html'}[/bold]\n"
        "Its scorer, mini-clip, is a mini one: a small dual encoder trained on 1,299 photographs.  It shows the "
        "method; it says nothing of published models.",
        soft_wrap=True,
    )
