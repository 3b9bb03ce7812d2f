"""`probe.py check-scorer`: the conformance suite over a row of SCORERS or over anybody's class, on made-up images."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from probing_vlp.errors import UserError
from probing_vlp.records import FeatureVector, Pixels, References, Regions
from probing_vlp.scorers import load_scorer
from probing_vlp.scorers.conformance import CHECKS, IMAGES, KINDS, Subject, run_checks

WIDTHS = {"features": 1280, "regions": 2048}
ROUNDING = {"float32": 1e-5, "float64": 1e-5, "bfloat16": 0.02}


@dataclass
class CheckConfig:
    """A scorer and its options."""

    scorer: str
    """Name of a scorer, or "package.module:Class"; may be given without its name, as first word."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the scorer: --options.checkpoint FILE"""
    width: int | None = None
    """Width of the made-up feature vectors or regions; by default the scorer's own `width`, or 1280 and 2048."""
    backbone: str | None = None
    """Name of the backbone that the made-up features claim to come from; by default the scorer's own."""


def run(config: CheckConfig) -> None:
    """Print a line a check; exit code 1 if any of them failed."""
    scorer: Any = load_scorer(config.scorer, **config.options)
    kind = getattr(scorer, "visual", None)
    if kind not in KINDS:
        raise UserError(f"{config.scorer}: its attribute visual is {kind!r}, not one of {', '.join(KINDS)}")
    tolerance = ROUNDING.get(str(config.options.get("dtype", "float32")), 1e-5)
    with tempfile.TemporaryDirectory() as folder:
        visuals = make_visuals(kind, Path(folder), config, scorer)
        found = []
        for what, wrong in run_checks(Subject(scorer, visuals, tolerance)):
            found.append(wrong)
            print(f"FAIL  {what}: {wrong}" if wrong else f"ok    {what}", flush=True)
    if left := len(CHECKS) - len(found):
        print(f"skip  {left} more checks, which need a score a caption")
    failed = sum(map(bool, found))
    print(f"{config.scorer}: {f'{failed} checks failed' if failed else 'fit for training and reports'}")
    if failed:
        raise SystemExit(1)


def make_visuals(kind: str, folder: Path, config: CheckConfig, scorer: Any) -> Sequence[Any]:
    """IMAGES made-up visuals; the same ones every time."""
    random = np.random.default_rng(1)
    width = config.width or getattr(scorer, "width", None) or WIDTHS.get(kind, 0)
    if kind == "pixels":
        return [noise(folder / f"{i}.png", i, random) for i in range(IMAGES)]
    if kind == "features":
        backbone = config.backbone or str(getattr(scorer, "backbone", "noise"))
        rows = random.random((IMAGES, width), dtype=np.float32)
        return [FeatureVector(i, row, backbone) for i, row in enumerate(rows)]
    if kind == "regions":
        return [regions(i, 12 + i, width, random) for i in range(IMAGES)]
    return [References(i, (f"A dog on mat {i}.", f"number {i} is a cat")) for i in range(IMAGES)]


def noise(path: Path, image_id: int, random: np.random.Generator) -> Pixels:
    """A small picture of noise, wider than tall or taller than wide."""
    size = (48, 64, 3) if image_id % 2 else (64, 48, 3)
    Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)).save(path)
    return Pixels(image_id, path)


def regions(image_id: int, count: int, width: int, random: np.random.Generator) -> Regions:
    """Random features, and boxes that lie in an image of 640 x 480 pixels."""
    corner = random.uniform(0, 0.5, (count, 2))
    boxes = np.concatenate([corner, corner + random.uniform(0.1, 0.5, (count, 2))], 1) * [640, 480, 640, 480]
    features = random.random((count, width), dtype=np.float32)
    return Regions(image_id, features, boxes.astype(np.float32), 640, 480, random.random(count).astype(np.float32))
