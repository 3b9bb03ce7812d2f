"""Verdicts: small worlds that generalise or do not, and what is said of them."""

import itertools
from zlib import crc32

import pandas as pd
import pytest

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.answers.items import Item
from probing_vlp.taxonomy.report.controls import Control, Knowledge, controls, read_knowledge
from probing_vlp.taxonomy.report.measured import Setting, measure
from probing_vlp.taxonomy.report.verdicts import headline, ignorant, verdicts

HYPERNYMS = [f"h{i}" for i in range(8)]
LEAVES = [f"leaf{i}" for i in range(16)]
IMAGES = 4


def above(leaf: str) -> set[str]:
    """Two hypernyms of each leaf: leaf5 has h5 and h6."""
    place = LEAVES.index(leaf)
    return {HYPERNYMS[place % 8], HYPERNYMS[(place + 1) % 8]}


def world_items(skill: float, across: float = 0.5, ignorant_of: frozenset[str] = frozenset()) -> list[Item]:
    """Full condition, two maps, two LMs, two seeds; the pretrained LM answers a share `skill` of held-out questions as
    one who knows, and the rest like a coin."""
    items = []
    for lm, kind, seed in itertools.product(("pretrained", "random"), ("original", "across"), (1, 2)):
        knows = 0.0 if lm == "random" else skill if kind == "original" else 2 * across - 1
        run = f"{lm}/full/{kind}/{seed}"
        for (place, leaf), image in itertools.product(enumerate(LEAVES), range(IMAGES)):
            name = f"{leaf}-{image}.jpg"
            for concept in sorted(HYPERNYMS):
                gold = concept in above(leaf)
                draw = crc32(f"{run}/{name}/{concept}".encode())
                known = draw % 100 < 100 * knows and concept not in ignorant_of
                said = gold if known else draw // 100 % 2 == 0
                items.append(_item(run, name, leaf, concept, gold, said, "held-out", kind, lm, seed))
            other = LEAVES[(place + 1 + image) % 16]
            for concept, gold in ((leaf, True), (other, False)):
                items.append(_item(run, name, leaf, concept, gold, gold, "leaves", kind, lm, seed))
    return items


def _item(run, image, leaf, concept, gold, said, test, kind, lm, seed) -> Item:
    words = ("Yes" if gold else "No", "Yes" if said else "No")
    return Item(run, "full", image, leaf, concept, *words, -0.5, -0.9, test, kind, lm, seed, "net")


def world(**options) -> pd.DataFrame:
    return pd.DataFrame(world_items(**options)).astype(str).astype("category")


def answers(frame: pd.DataFrame, knowledge: Knowledge | None = None) -> dict[str, str]:
    return {one.key: one.answer for one in verdicts(measure(frame, "here"), knowledge or Knowledge())}


def test_a_world_that_generalises_is_said_to():
    found = verdicts(measure(world(skill=0.9), "here"), Knowledge())
    assert {one.key: one.answer for one in found} == {"leaves": "yes", "held-out:full": "yes", "map:across": "yes"}
    words = {one.key: one.words for one in found}
    assert words["held-out:full"].startswith("With no hypernym question in training, held-out hypernyms generalise:")
    assert "over 8 hypernyms" in words["held-out:full"]
    assert "Across-category shuffling destroys it" in words["map:across"]
    assert headline(found, "The LM") == "The LM carries hypernyms over to photographs that it was never asked about"


def test_a_world_that_does_not_is_said_not_to():
    found = verdicts(measure(world(skill=0.0), "here"), Knowledge())
    assert {one.key: one.answer for one in found} == {"leaves": "yes", "held-out:full": "no", "map:across": "untold"}
    assert headline(found, "The LM") == "The LM shows no sign of carrying hypernyms over to photographs"


def test_where_leaves_are_not_learned_nothing_is_claimed():
    items = [item._replace(prediction="Yes") if item.test == "leaves" else item for item in world_items(0.9)]
    found = verdicts(measure(pd.DataFrame(items).astype(str).astype("category"), "here"), Knowledge())
    assert next(one.answer for one in found if one.key == "leaves") == "no"
    assert "leaves were not learned" in headline(found, "The LM")


def test_a_coin_is_above_the_majority_line_and_not_above_chance():
    measured = measure(world(skill=0.0), "here")
    setting = Setting("net", "pretrained")
    assert measured.mean(setting).low > measured.mean(setting, "blind").value - 0.1
    assert measured.above_line(setting).low < 0


def test_shuffled_labels_that_destroy_nothing_are_told_of():
    assert answers(world(skill=0.9, across=0.95))["map:across"] == "no"


def test_without_a_random_lm_chance_alone_is_compared_with():
    frame = pd.DataFrame([item for item in world_items(0.9) if item.lm != "random"]).astype(str).astype("category")
    found = verdicts(measure(frame, "here"), Knowledge())
    assert "no random LM to compare with" in next(one.words for one in found if one.key == "held-out:full")


def test_a_vlm_fails_where_its_lm_never_read_or_it_is_told_that_it_does_not():
    knowledge = Knowledge(unknown=frozenset({"h2", "h5"}))
    fails = answers(world(skill=0.9, ignorant_of=frozenset({"h2", "h5"})), knowledge)
    assert fails["ignorant:unknown"] == "yes"
    assert answers(world(skill=0.9), knowledge)["ignorant:unknown"] == "no"
    assert answers(world(skill=0.0), knowledge)["ignorant:unknown"] == "untold"


def test_hits_and_false_alarms_of_kept_out_pairs():
    # h0 of 4 leaves: a and b known (hits 2 of 2), c kept out (hit 1 of 2), d is none (false alarm 1 of 4)
    spec = {"a": ("Yes", "YY"), "b": ("Yes", "YY"), "c": ("Yes", "YN"), "d": ("No", "YNNN")}
    items = [
        _item("r", f"{leaf}{place}", leaf, "h0", gold == "Yes", said == "Y", "held-out", "original", "pretrained", 1)
        for leaf, (gold, told) in spec.items()
        for place, said in enumerate(told)
    ]
    measured = measure(pd.DataFrame(items).astype(str).astype("category"), "here")
    knowledge = Knowledge(frozenset({("c", "h0"), ("z", "h9")}))
    (control,) = controls(measured, Setting("net", "pretrained"), knowledge)
    assert (control.what, control.size) == ("pairs", 1)
    assert control.left.value == pytest.approx(1 / 2 - 1 / 4)
    assert control.lost.value == pytest.approx(1 - 1 / 2)
    assert control.left.n == 4


def test_half_a_failure_is_called_half():
    from probing_vlp.stats import Estimate

    control = Control("unknown", 2, Estimate(0.1, 0.05, 0.2, 9), Estimate(0.2, 0.1, 0.3, 9))
    verdict = ignorant(control, Setting("net", "pretrained"), "yes")
    assert verdict.answer == "partly"
    assert "does not fail altogether" in verdict.words


def test_systematic_conditions_count_removed_hypernyms_alone():
    # the folder rule: the held-out test also has bird, which was trained through other leaves
    rows = """seen bird Yes Yes
        seen bird No No
        held-out bird Yes No
        held-out bird No Yes
        held-out food Yes Yes
        held-out food No No"""
    items = [
        Item("r", "systematic-1", "i", "leaf", concept, gold, said, test=test, map="original", lm="lm", seed=1)
        for test, concept, gold, said in (line.split() for line in rows.splitlines())
    ]
    measured = measure(pd.DataFrame(items).astype(str).astype("category"), "here")
    assert measured.conditions == {"systematic-1": ("systematic", 50)}
    assert measured.mean(Setting("", "lm", condition="systematic-1")).value == 1


def test_what_is_missing_is_said_in_one_line(tmp_path):
    with pytest.raises(UserError, match="here: no column condition"):
        measure(world(skill=1.0).drop(columns="condition"), "here")
    swapped = world(skill=1.0).assign(gold="ja", prediction="nein").astype("category")
    with pytest.raises(UserError, match="here: no label of ja, nein is known to mean yes"):
        measure(swapped, "here")
    path = tmp_path / "knowledge.json"
    path.write_text('{"kept_out": 3}')
    with pytest.raises(UserError, match=r"not written by train\.py lm"):
        read_knowledge(path)
    path.write_text('{"kept_out": [["dog", "animal"]], "unknown_hypernyms": ["tool"], "seed": 1}')
    assert read_knowledge(path) == Knowledge(frozenset({("dog", "animal")}), frozenset({"tool"}))
