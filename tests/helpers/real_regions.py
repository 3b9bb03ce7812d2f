"""The region features of real photographs that tests may use where $PROBING_VLP_DATA is set."""

import os
from pathlib import Path

import numpy as np
import pytest

from probing_vlp.records import Regions

needs_data = pytest.mark.skipif("PROBING_VLP_DATA" not in os.environ, reason="PROBING_VLP_DATA is not set")


def real_pairs() -> list[tuple[Regions, tuple[str, ...]]]:
    """Each photograph's 36 regions with its captions, by name of file."""
    return [
        _pair(path) for path in sorted(Path(os.environ["PROBING_VLP_DATA"], "region-features/features").glob("*.npz"))
    ]


def _pair(path: Path) -> tuple[Regions, tuple[str, ...]]:
    with np.load(path) as file:
        size = int(file["image_w"]), int(file["image_h"])
        number = int(path.name.split(".")[0].split("_")[-1])
        return Regions(number, file["x"], file["boxes"], *size), tuple(map(str, file["text"]))
