"""`probe.py taxonomy inspect`: what a taxonomy, its images and a condition give, before anything is trained."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from probing_vlp.errors import check_least, listed
from probing_vlp.files import atomic_write
from probing_vlp.taxonomy.asking.conditions import TESTS, Condition, Trial, build_condition
from probing_vlp.taxonomy.asking.images import PARTS, ImageIndex, index_images
from probing_vlp.taxonomy.asking.maps import MapKind
from probing_vlp.taxonomy.asking.taxonomies import load_taxonomy
from probing_vlp.taxonomy.prompts import ANSWERS
from probing_vlp.taxonomy.records import Question, Taxonomy

EXAMPLES = 5


@dataclass
class InspectConfig:
    """Which taxonomy, images and condition; the options are those of `probe.py taxonomy run`."""

    images: str = ""
    """Photographs: a folder of folders by leaf (THINGS), or a COCO folder or file of captions with its images; none:
    look at the taxonomy alone."""
    taxonomy: str = "coco"
    """"coco", or a CSV file of leaf,hypernym."""
    folders: str = ""
    """CSV of folder,leaf for image folders that are not called as their leaf (bracelet1, bracelet2: bracelet)."""
    photographs: str = ""
    """Folder of the image files of COCO captions; by itself `images` beside the captions."""
    mentions: int = 2
    """Captions that must name a leaf for a COCO photograph to show it; fewer leave it unsure."""
    least: int = 0
    """Leaves with fewer training images than this, or without a test image, are dropped; 0: that is an error."""
    split_seed: int = 1
    """Of the division of images into 70 % training, 5 % validation and 25 % test."""
    condition: str = "full"
    """Ablation: full, random-P (percent), systematic-N (hypernyms)."""
    map: MapKind = "original"
    """Label map."""
    seed: int = 1
    """Of the removal, the map and the negatives."""
    removal: Literal["pair", "union"] = "pair"
    """What random-P takes away: its share of (leaf, hypernym) pairs, or all pairs of the leaves drawn (paper)."""
    systematic: Literal["question", "folder"] = "question"
    """What systematic-N takes away: questions of the hypernyms, or all of the folders that have one (paper's tests)."""
    negatives: Literal["per-image", "fixed"] = "per-image"
    """Wrong concepts: drawn for each image, or one for each (leaf, hypernym)."""
    manifest: str = ""
    """Write the condition's manifest to this JSON file."""


def run(config: InspectConfig) -> None:
    """Print it; UserError for what is wrong with taxonomy, images or condition."""
    check_least(config, 0, "least", "seed", "split_seed")
    check_least(config, 1, "mentions")
    condition = Condition.parse(config.condition)
    taxonomy = load_taxonomy(config.taxonomy)
    lines = list(_taxonomy_lines(taxonomy))
    if config.images:
        optional = [Path(path) if path else None for path in (config.photographs, config.folders)]
        index = index_images(config.images, taxonomy, config.mentions, config.split_seed, config.least, *optional)
        rule = {"random": config.removal, "systematic": config.systematic}.get(condition.kind, "")
        trial = build_condition(index, taxonomy, condition, config.map, config.seed, config.negatives, rule)
        lines += [*_image_lines(index, config.least), *_condition_lines(trial), *_example_lines(trial)]
        if config.manifest:
            atomic_write(Path(config.manifest), (json.dumps(trial.manifest, indent=1) + "\n").encode())
    print("\n".join(f"{title:<11} {said}".rstrip() for title, said in lines))


def _taxonomy_lines(taxonomy: Taxonomy) -> Iterator[tuple[str, str]]:
    sizes = [len(above) for above in taxonomy.pairs.values()]
    names = len({leaf.surface for leaf in taxonomy.leaves.values()})
    yield "taxonomy", f"{taxonomy.name}, signature {taxonomy.signature[:12]}"
    yield "leaves", f"{len(sizes)}" + (f" of {names} names" if names < len(sizes) else "")
    yield "hypernyms", f"{len(taxonomy.hypernyms)}; {sum(sizes)} pairs, {min(sizes)} to {max(sizes)} hypernyms a leaf"


def _image_lines(index: ImageIndex, least: int) -> Iterator[tuple[str, str]]:
    counts = [index.count(part) for part in PARTS]
    yield "images", f"{index.source}: " + ", ".join(f"{len(index.parts[part])} {part}" for part in PARTS)
    for reason, n in index.left_out.items():
        yield "", f"left out: {n} ({reason})"
    if index.dropped:
        named = listed([f"{leaf} {n}" for leaf, n in index.dropped.items()])
        yield "", f"{len(index.dropped)} leaves dropped, with fewer than {least} training images or no test: {named}"
    yield "", f"what is left: {len(index.taxonomy.leaves)} leaves, {len(index.taxonomy.hypernyms)} hypernyms"
    yield "by leaf", "images to train, validate and test on"
    for leaf in sorted(index.taxonomy.leaves, key=lambda leaf: (-counts[0][leaf], leaf)):
        yield "", f"{leaf:<24}" + "".join(f"{count[leaf]:>7}" for count in counts)
    yield "by hypernym", "leaves; images to train, validate and test on"
    above = [Counter(h for s in index.parts[part] for h in index.taxonomy.above(s.leaves)) for part in PARTS]
    for hypernym in sorted(index.taxonomy.hypernyms):
        n = len(index.taxonomy.members(hypernym))
        yield "", f"{hypernym:<24}{n:>5};" + "".join(f"{count[hypernym]:>7}" for count in above)


def _condition_lines(trial: Trial) -> Iterator[tuple[str, str]]:
    told: dict[str, Any] = trial.manifest
    yield "condition", "{condition} by {rule}, map {map}, seed {seed}, negatives {negatives}".format(**told)
    yield (
        "removed",
        f"asked for {told['ablated']:.1f} %; really "
        + ", ".join(
            f"{100 * told['real'][key]:.1f} % of {what}"
            for key, what in (
                ("pairs", "the (leaf, hypernym) pairs"),
                ("train", 'the "Yes" about hypernyms in training'),
                ("test", "the hypernym test questions"),
            )
        ),
    )
    if told["real"]["test_mixed"]:
        yield "", f"in neither test: {100 * told['real']['test_mixed']:.1f} %, whose leaves lost it in part"
    if trial.removal.hypernyms:
        yield "", f"hypernyms: {', '.join(sorted(trial.removal.hypernyms))}"
    if told["taxonomy"]["leaves_not_asked_about"]:
        yield "not asked", f"about leaves that name a hypernym: {', '.join(told['taxonomy']['leaves_not_asked_about'])}"
    for name, n in told["questions"].items():
        yield name, "leaves {leaf_yes} yes, {leaf_no} no; hypernyms {hypernym_yes} yes, {hypernym_no} no".format(**n)


def _example_lines(trial: Trial) -> Iterator[tuple[str, str]]:
    """A question from the middle of each set, then more of training: the same for the same questions."""
    sets: list[tuple[str, Sequence[Question]]] = [("train", trial.train), *((n, trial.tests[n]) for n in TESTS)]
    chosen = [(name, questions[len(questions) // 2]) for name, questions in sets if questions]
    spread = [trial.train[len(trial.train) * i // EXAMPLES] for i in range(EXAMPLES)]
    chosen = (chosen + [("train", question) for question in spread])[:EXAMPLES]
    yield "examples", "set, image, question, answer"
    for name, question in chosen:
        said = ANSWERS[0] if question.gold else ANSWERS[1]
        yield "", f"{name:<9} {question.image}: {question.text} {said}"
