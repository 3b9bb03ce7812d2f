"""Words added to a caption: a prefix, or true visual words."""

from collections.abc import Sequence

import numpy as np

from probing_vlp.experiments.base import Case
from probing_vlp.experiments.pools import stem

PREFIX = "a image image of"
"""As CLIP's captions begin in Ma et al. 2023 Table 5."""
ADDED = 3
"""Words appended."""


def prefix(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """PREFIX before the caption."""
    return [f"{PREFIX} {case.caption}" for case in cases]


def append_nouns(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]:
    """ADDED visual words of the human captions that the caption lacks, after it; None where there are fewer."""
    captions = []
    for case in cases:
        there = {stem(word) for word in case.words}
        new = [word for word in case.reference_nouns if stem(word) not in there][:ADDED]
        captions.append(" ".join([case.caption, *new]) if len(new) == ADDED else None)
    return captions
