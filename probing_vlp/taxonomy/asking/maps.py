"""Counterfactual label maps: the label of s is shown with the images of m(s), in training and in the tests.

    original       m(s) = s
    across         one uniform permutation of all leaves that leaves none in its place: categories lose their looks
    within         a derangement inside groups of leaves that share hypernyms: categories keep their looks.  Leaves of
                   the same hypernym set are a group; one that is alone in its set joins the group whose set differs
                   from its own by the fewest hypernyms (then: shares the most; then: the smallest)
    across_paper   one uniform permutation; fixed points are allowed
    within_paper   one that is alone joins the largest set that is contained in its own, then the smallest group; those
                   that find none are deranged together

The published code goes through a Python set, so its maps depend on the hash order; here all is sorted.  With few leaves
the rule of `within_paper` mixes what has little in common: COCO's bear has a set of its own, and the only set contained
in it is that of person, "living thing".  `within` is there for that reason.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, get_args
from zlib import crc32

import numpy as np

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.records import Shown, Taxonomy

MapKind = Literal["original", "within", "across", "within_paper", "across_paper"]
MAPS: tuple[MapKind, ...] = get_args(MapKind)
Group = tuple[frozenset[str], list[str]]
"""Hypernyms and the leaves that have them."""


def make_map(kind: str, taxonomy: Taxonomy, seed: int) -> dict[str, str]:
    """Image leaf by label leaf; checked to be one to one, and free of fixed points where the kind says so."""
    leaves = sorted(taxonomy.leaves)
    if kind not in MAPS:
        raise UserError(f"label map '{kind}': is none of {', '.join(MAPS)}")
    if kind == "original":
        return dict(zip(leaves, leaves, strict=True))
    if len(leaves) < 2:
        raise UserError(f"label map '{kind}' needs two leaves or more; {taxonomy.name} has {len(leaves)}")
    generator = np.random.default_rng([seed, crc32(f"map {kind}".encode())])
    if kind == "across_paper":
        label_map = dict(zip(leaves, map(str, generator.permutation(leaves)), strict=True))
    elif kind == "across":
        label_map = derange(leaves, generator)
    else:
        groups = groups_within(taxonomy, paper=kind == "within_paper")
        label_map = {label: leaf for group in groups for label, leaf in derange(group, generator).items()}
    check_map(label_map, taxonomy.leaves, fixed_points=kind == "across_paper")
    return dict(sorted(label_map.items()))


def check_map(label_map: Mapping[str, str], leaves: Collection[str], fixed_points: bool = False) -> None:
    """UserError unless a map is one to one on the leaves and, unless they are allowed, has no fixed point."""
    if set(label_map) != set(leaves) or set(label_map.values()) != set(leaves):
        wrong = sorted((set(label_map) ^ set(leaves)) | (set(label_map.values()) ^ set(leaves)))
        raise UserError(f"label map is not one to one: look at {', '.join(wrong[:5])}")
    fixed = sorted(label for label, leaf in label_map.items() if label == leaf)
    if fixed and not fixed_points:
        raise UserError(f"label map leaves {', '.join(fixed[:5])} in place")


def relabel(images: Iterable[Shown], label_map: Mapping[str, str]) -> dict[str, Shown]:
    """By image name, each image labelled with {label: map[label] in its leaves}; unsure ones likewise."""
    label_of = {leaf: label for label, leaf in label_map.items()}
    if all(label == leaf for leaf, label in label_of.items()):
        return {shown.image: shown for shown in images}
    return {
        shown.image: replace(
            shown,
            leaves=frozenset(label_of[leaf] for leaf in shown.leaves),
            unsure=frozenset(label_of[leaf] for leaf in shown.unsure),
            blocked=frozenset(),  # a leaf that was dropped is nobody's picture
        )
        for shown in images
    }


def derange(names: Sequence[str], generator: np.random.Generator) -> dict[str, str]:
    """A uniform permutation among those without fixed points, of two names or more; one in three draws is one."""
    while True:
        drawn = generator.permutation(len(names))
        if (drawn != np.arange(len(names))).all():
            return {name: names[i] for name, i in zip(names, drawn, strict=True)}


def groups_within(taxonomy: Taxonomy, paper: bool = False) -> list[list[str]]:
    """Leaves in groups of two or more that share hypernyms; each group and the list of groups is sorted."""
    by_set: dict[frozenset[str], list[str]] = {}
    for leaf in sorted(taxonomy.leaves):
        by_set.setdefault(taxonomy.pairs[leaf], []).append(leaf)
    groups = sorted(by_set.items(), key=lambda group: (-len(group[0]), sorted(group[0])))
    together = _joined_as_paper if paper else _joined
    return sorted(sorted(group) for group in together(groups))


def _joined(groups: list[Group]) -> list[list[str]]:
    for own, members in groups:
        others = [group for group in groups if group[1] and group[1] is not members and own & group[0]]
        if len(members) == 1 and others:
            _join(members, min(others, key=_nearest(own)))
    return _rest_together([members for _, members in groups if members])


def _nearest(own: frozenset[str]) -> Callable[[Group], tuple[int, int, int, list[str]]]:
    return lambda group: (len(own ^ group[0]), -len(own & group[0]), len(group[1]), sorted(group[0]))


def _joined_as_paper(groups: list[Group]) -> list[list[str]]:
    hosts = [group for group in groups if len(group[1]) > 1]
    sizes = {id(members): len(members) for _, members in hosts}
    for own, members in groups:
        inside = [group for group in hosts if group[0] < own]
        if len(members) == 1 and inside:
            _join(members, min(inside, key=lambda group: (-len(group[0]), sizes[id(group[1])], sorted(group[0]))))
    return _rest_together([members for _, members in groups if members])


def _join(members: list[str], host: Group) -> None:
    host[1].extend(members)
    members.clear()


def _rest_together(groups: list[list[str]]) -> list[list[str]]:
    """Those that are still alone make one group; a single one joins the smallest."""
    alone = [leaf for group in groups if len(group) == 1 for leaf in group]
    kept = [group for group in groups if len(group) > 1]
    if len(alone) > 1:
        return [*kept, alone]
    if alone:
        min(kept, key=lambda group: (len(group), group)).extend(alone)
    return kept
