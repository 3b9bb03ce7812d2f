"""Photographs with captions: an image shows a leaf when k or more of its captions name it.

A caption names a leaf by its surface form, its plural or a synonym, whole words only, the longest phrase first ("hot
dog" is no dog).  What 1 .. k-1 captions name is unsure: never asked about, as it may or may not be there.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from probing_vlp.data import coco_objects
from probing_vlp.data.captions import CaptionData
from probing_vlp.data.naming import Namer, with_plurals
from probing_vlp.data.text import tokenize
from probing_vlp.data.visuals import find_images
from probing_vlp.errors import UserError
from probing_vlp.taxonomy.asking.folders import first_of_same
from probing_vlp.taxonomy.records import Shown, Taxonomy


def shown_by(captions: Iterable[Sequence[str]], name: Callable[[Sequence[str]], list[str]]) -> Counter[str]:
    """How many of an image's captions (tokens) name each leaf."""
    return Counter(leaf for words in captions for leaf in set(name(words)))


def namer(taxonomy: Taxonomy) -> Callable[[Sequence[str]], list[str]]:
    """Finds a taxonomy's leaves in the tokens of a caption; that of COCO's categories has its own lists of words."""
    if taxonomy.name == "coco":
        return coco_objects.mentions
    names: dict[str, str] = {}
    plurals: dict[str, str] = {}
    for leaf in taxonomy.leaves.values():
        for phrase in (leaf.surface.removeprefix("pair of "), *leaf.words):
            key = " ".join(tokenize(phrase))
            if names.setdefault(key, leaf.id) != leaf.id:
                raise UserError(
                    f"{taxonomy.name}: captions that say '{key}' would show both '{names[key]}' and '{leaf.id}'; "
                    "give each its own word in the columns surface or words"
                )
        plurals[" ".join(tokenize(leaf.plural))] = leaf.id
    return Namer(with_plurals(names) | plurals | names).find


def from_captions(
    data: CaptionData, photos: Path, taxonomy: Taxonomy, k: int, seed: int
) -> tuple[list[Shown], dict[str, int]]:
    """Images that show a leaf for sure, in the order that a hash of seed and name gives; how many are left out and why.

    UserError for a photograph that is missing, and for a word that would name two leaves.
    """
    name = namer(taxonomy)
    images = sorted(data.images, key=lambda image: image.file_name)
    paths = [found.path for found in find_images(images, [str(photos)])]
    kept = [i for i, first in enumerate(first_of_same(paths)) if first == i]
    shown = []
    for i in kept:
        counts = shown_by(data.tokens[images[i].image_id], name)
        sure = frozenset(leaf for leaf, n in counts.items() if n >= k) & taxonomy.leaves.keys()
        unsure = (counts.keys() & taxonomy.leaves.keys()) - sure
        if sure:
            shown.append(Shown(images[i].file_name, paths[i], sure, frozenset(unsure)))
    shown.sort(key=lambda one: hashlib.sha256(f"{seed}/{one.image}".encode()).digest())
    left_out = {"shows no leaf for sure": len(kept) - len(shown), "same file as another": len(images) - len(kept)}
    return shown, left_out
