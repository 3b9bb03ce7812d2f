"""A synthetic captioning problem in the shape of COCO: image features, references, and one more caption an image.

A scene is a value for each slot of a small grammar; words are Zipf-distributed, the features are noisy sums of what
is in the scene, so that a captioner can learn them.  Everything follows from the number of images and the seed.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from probing_vlp.data.captions import CaptionData
from probing_vlp.data.features import FeatureIndex, FeatureStore, FeatureWriter
from probing_vlp.data.vocabulary import Vocabulary
from probing_vlp.records import Image

UNKNOWN = 9487
"""The last word; with the end, an output layer has 9,488 entries, as on COCO."""
FEATURES, REFERENCES, MAX_WORDS, MAX_DECODED = 2048, 5, 16, 20
SYNONYMS = 2

SLOTS = {"ADJ": 60, "NOUN": 400, "VERB": 120, "PREP": 12, "ADJ2": 60, "NOUN2": 400, "PLACE": 80, "NUM": 6}
"""Values of each slot; NOUN2 has the words of NOUN, ADJ2 those of ADJ."""
TEMPLATES = [
    line.split()
    for line in (
        "a ADJ NOUN VERB PREP a NOUN2",
        "a NOUN VERB PREP a ADJ2 NOUN2",
        "NUM NOUN that is VERB PREP the NOUN2 in the PLACE",
        "the ADJ NOUN is VERB PREP a ADJ2 NOUN2 at a PLACE",
        "there is a ADJ NOUN VERB near a NOUN2",
        "a NOUN is VERB in the PLACE with a ADJ2 NOUN2 beside it",
        "a picture of a ADJ NOUN and a NOUN2 in a PLACE",
        "an image of NUM NOUN VERB PREP the ADJ2 NOUN2 by the PLACE today",
    )
]


@dataclass(frozen=True)
class Problem:
    """n images: features (n, 2048) float32; labels (n, 5, 16) int64, zero-padded word ids; candidates: n captions to
    score."""

    features: np.ndarray
    labels: np.ndarray
    candidates: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.features)


def make_problem(images: int = 10_000, seed: int = 0) -> Problem:
    """The problem of that size and seed."""
    rng = np.random.default_rng(seed)
    fixed, slots = _lexicon(rng)
    scene = {slot: rng.choice(size, size=images, p=_zipf(size)) for slot, size in SLOTS.items()}
    features = rng.standard_normal((images, FEATURES), dtype=np.float32) * 0.3
    for slot, size in SLOTS.items():
        features += (rng.standard_normal((size, FEATURES), dtype=np.float32) * 0.5)[scene[slot]]
    np.maximum(features, 0, out=features)  # pooled features of a network are not negative

    def sentence(image: int) -> list[int]:
        return [
            fixed[w] if w in fixed else int(slots[w][scene[w][image], int(rng.random() < 0.3)])
            for w in TEMPLATES[rng.integers(len(TEMPLATES))]
        ]

    labels = np.zeros((images, REFERENCES, MAX_WORDS), np.int64)
    candidates = []
    for image in range(images):
        for row in labels[image]:
            words = sentence(image)
            row[: len(words)] = words
        candidates.append(tuple(sentence(image)))
    return Problem(features, labels, tuple(candidates))


def _lexicon(rng: np.random.Generator) -> tuple[dict[str, int], dict[str, np.ndarray]]:
    """Ids of the fixed words, and (values, SYNONYMS) ids of each slot."""
    fixed = sorted({word for template in TEMPLATES for word in template if word not in SLOTS})
    own = [slot for slot in SLOTS if not slot.endswith("2")]
    ids = rng.permutation(np.arange(1, UNKNOWN))
    at, slots = len(fixed), {}
    for slot in own:
        slots[slot] = ids[at : at + SYNONYMS * SLOTS[slot]].reshape(-1, SYNONYMS)
        at += SYNONYMS * SLOTS[slot]
    return {word: int(ids[i]) for i, word in enumerate(fixed)}, {slot: slots[slot.rstrip("2")] for slot in SLOTS}


def _zipf(count: int) -> np.ndarray:
    weights = 1 / np.arange(1, count + 1)
    return weights / weights.sum()


def vocabulary() -> Vocabulary:
    """Words "w1" .. "w9486"; the id of "w7" is 7."""
    return Vocabulary(tuple(f"w{i}" for i in range(1, UNKNOWN)))


def sentence_text(ids: np.ndarray | tuple[int, ...]) -> str:
    """Word ids, zeros left out, as a sentence."""
    return " ".join(f"w{i}" for i in ids if i)


def caption_data(problem: Problem) -> CaptionData:
    """The problem as a data set: image i has the id i and is for training."""
    captions = {i: tuple(sentence_text(row) for row in rows) for i, rows in enumerate(problem.labels.tolist())}
    return CaptionData(
        tuple(Image(i, f"{i}.jpg", "train") for i in captions),
        captions,
        {i: tuple(tuple(text.split()) for text in texts) for i, texts in captions.items()},
        "synthetic",
    )


def write_features(problem: Problem, folder: Path) -> FeatureStore:
    """The features on disk, as a user has them."""
    n = len(problem)
    index = FeatureIndex("synthetic", FEATURES, "float32", tuple(range(n)), tuple(f"{i}.jpg" for i in range(n)))
    writer = FeatureWriter(folder, index)
    writer.write(problem.features)
    return writer.finish()
