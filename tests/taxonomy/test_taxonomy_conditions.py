"""What is taken away, what is left, and that nothing leaks."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from taxonomy_images import folders_of, index_of, taxonomy_of

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.asking.conditions import (
    TESTS,
    Condition,
    Trial,
    build_condition,
    check_leakage,
    check_manifest,
    remove,
)
from probing_vlp.taxonomy.asking.images import ImageIndex
from probing_vlp.taxonomy.asking.inspecting import InspectConfig, run
from probing_vlp.taxonomy.asking.questions import hypernym_words
from probing_vlp.taxonomy.asking.taxonomies import load_taxonomy
from probing_vlp.taxonomy.records import Question, Taxonomy

CONDITIONS = [("full", ""), ("random-30", "pair"), ("random-30", "union"), ("random-90", "")]
CONDITIONS += [("systematic-4", "question"), ("systematic-4", "folder"), ("systematic-20", "")]


@pytest.fixture(scope="module")
def coco() -> Taxonomy:
    return load_taxonomy("coco")


@pytest.fixture(scope="module")
def index(coco: Taxonomy) -> ImageIndex:
    """Each leaf alone twice and beside its neighbour by name."""
    leaves = sorted(coco.leaves)
    texts = leaves * 2 + [f"{one}, {other}" for one, other in itertools.pairwise(leaves)]
    return index_of(coco, texts, texts)


def concepts(questions: Sequence[Question], kind: str = "hypernym") -> set[str]:
    return {question.concept for question in questions if question.kind == kind}


@pytest.mark.parametrize(("condition", "rule"), CONDITIONS)
@pytest.mark.parametrize("kind", ["original", "within", "across"])
@pytest.mark.parametrize("negatives", ["per-image", "fixed"])
def test_nothing_leaks(condition: str, rule: str, kind: str, negatives: str, index: ImageIndex, coco: Taxonomy) -> None:
    trial = build_condition(index, coco, condition, kind, 3, negatives, rule)
    trained = {question.image for question in trial.train}
    assert trained and not trained & {q.image for name in TESTS for q in trial.tests[name]}
    for question in trial.train:
        leaves = trial.shown[question.image].leaves
        truth = leaves if question.kind == "leaf" else coco.above(leaves)
        assert question.gold is (question.concept in truth)
        if question.kind == "hypernym" and question.gold:
            assert not any((leaf, question.concept) in trial.removal.pairs for leaf in leaves)
    for question in trial.tests["held-out"]:
        if question.gold:
            owners = [leaf for leaf in trial.shown[question.image].leaves if question.concept in coco.pairs[leaf]]
            assert all((leaf, question.concept) in trial.removal.pairs for leaf in owners)
    if negatives == "per-image":
        for kind_of_question in ("leaf", "hypernym"):
            answers = [question.gold for question in trial.train if question.kind == kind_of_question]
            assert answers.count(True) == answers.count(False)
    json.dumps(trial.manifest)


def test_full_training_text_holds_no_hypernym(index: ImageIndex, coco: Taxonomy) -> None:
    trial = build_condition(index, coco, "full", "across", 1)
    text = "\n".join(question.text for question in trial.train)
    assert hypernym_words(coco).findall(text) == [] and len(trial.train) > 400
    assert not trial.tests["seen"] and concepts(trial.tests["held-out"]) == coco.hypernyms.keys()
    assert trial.manifest["real"] == {"pairs": 1, "train": 1, "test": 1, "test_mixed": 0}


def test_random_takes_that_share_of_each_hypernyms_leaves(coco: Taxonomy) -> None:
    for per_cent in (10, 30, 50, 70, 90):
        removal = remove(coco, Condition("random", per_cent), 1)
        for hypernym in coco.hypernyms:
            n = len(coco.members(hypernym))
            lost = sum((leaf, hypernym) in removal.pairs for leaf in coco.leaves)
            assert lost == max(1, per_cent * n // 100)
    some, more = (remove(coco, Condition("random", p), 1).pairs for p in (30, 70))
    assert some < more and some != remove(coco, Condition("random", 30), 2).pairs


def test_union_takes_all_pairs_of_the_leaves_drawn(coco: Taxonomy) -> None:
    pair, union = (remove(coco, Condition("random", 30), 1, rule).pairs for rule in ("pair", "union"))
    drawn = {leaf for leaf, _ in pair}
    assert union == {(leaf, hypernym) for leaf in drawn for hypernym in coco.pairs[leaf]} > pair


def test_systematic_rules(index: ImageIndex, coco: Taxonomy) -> None:
    question = build_condition(index, coco, "systematic-4", seed=1)
    gone = set(question.manifest["removed_hypernyms"])
    assert len(gone) == 4 and concepts(question.train) == coco.hypernyms.keys() - gone
    assert concepts(question.tests["held-out"]) == gone and not concepts(question.tests["seen"]) & gone
    folder = build_condition(index, coco, "systematic-4", seed=1, rule="folder")
    assert set(folder.manifest["removed_hypernyms"]) == gone
    lost = {leaf for leaf in coco.leaves if coco.pairs[leaf] & gone}
    assert {leaf for leaf, _ in folder.removal.pairs} == lost
    assert folder.removal.pairs == {(leaf, hypernym) for leaf in lost for hypernym in coco.pairs[leaf]}
    assert set(remove(coco, Condition("systematic", 10), 1).hypernyms) > gone


def test_one_image_by_hand(tmp_path: Path) -> None:
    zoo = taxonomy_of(tmp_path)
    index = index_of(zoo, ["crow, dog"] * 3 + ["car"] * 3, ["crow, dog", "crow", "dog", "car", "kite"])
    trial = build_condition(index, zoo, "random-1", seed=1)
    # of each hypernym one leaf (1 % of 2 or 4, at least 1) loses it: 4 of 10 pairs
    assert len(trial.removal.pairs) == 4 and trial.manifest["real"]["pairs"] == pytest.approx(4 / 10)
    lost = {hypernym: leaf for leaf, hypernym in trial.removal.pairs}
    for name, images in {"seen": trial.tests["seen"], "held-out": trial.tests["held-out"]}.items():
        for question in (question for question in images if question.gold):
            leaves = trial.shown[question.image].leaves
            owners = {leaf for leaf in leaves if question.concept in zoo.pairs[leaf]}
            assert (owners == {lost[question.concept]}) is (name == "held-out")
    # animal on "crow, dog" is mixed if a crow or a dog lost it, else seen
    asked = [q.concept for name in ("seen", "held-out") for q in trial.tests[name] if q.gold and q.image == "test0"]
    assert ("animal" in asked) is (lost["animal"] not in ("crow", "dog"))


def test_test_questions_are_one_set_for_all_conditions(index: ImageIndex, coco: Taxonomy) -> None:
    trials = [
        build_condition(index, coco, condition, "within", 5) for condition in ("full", "systematic-4", "random-30")
    ]
    whole = set(trials[0].tests["held-out"])
    assert set(trials[1].tests["seen"]) | set(trials[1].tests["held-out"]) == whole
    assert set(trials[2].tests["seen"]) | set(trials[2].tests["held-out"]) < whole  # less those in neither
    assert trials[2].manifest["real"]["test_mixed"] > 0
    assert len({trial.tests["leaves"] for trial in trials}) == 1


def test_the_manifest_counts(index: ImageIndex, coco: Taxonomy) -> None:
    trial = build_condition(index, coco, "random-30", seed=1)
    told = trial.manifest
    assert told["ablated"] == 30 and told["removed_pairs"] == sorted(map(list, trial.removal.pairs))
    counts = told["questions"]["train"]
    assert sum(counts.values()) == len(trial.train) and counts["hypernym_yes"] == counts["hypernym_no"]
    possible = sum(len(coco.above(shown.leaves)) for shown in index.parts["train"])
    assert told["real"]["train"] == pytest.approx(1 - counts["hypernym_yes"] / possible)
    assert told["label_map"] == {leaf: leaf for leaf in coco.leaves}
    assert build_condition(index, coco, "systematic-4").manifest["ablated"] == pytest.approx(400 / len(coco.hypernyms))


def _with(trial: Trial, question: Question) -> Trial:
    return replace(trial, train=(*trial.train, question))


def test_leaks_are_named(index: ImageIndex, coco: Taxonomy) -> None:
    full = build_condition(index, coco, "full")
    one = full.train[0]
    check_leakage(full)
    with pytest.raises(UserError, match=r'leak in training: "Is there .*" of test0: its image is tested on'):
        check_leakage(_with(full, replace(one, image="test0")))
    with pytest.raises(UserError, match="it names the hypernym 'food'"):
        check_leakage(_with(full, replace(one, text="Is there food in this image?")))
    with pytest.raises(UserError, match="'food' is removed"):
        check_leakage(_with(full, replace(one, kind="hypernym", concept="food", gold=False, text="Is it?")))
    random = build_condition(index, coco, "random-30")
    leaf, hypernym = min(random.removal.pairs)
    image = next(name for name, shown in random.shown.items() if shown.leaves == {leaf} and name.startswith("train"))
    with pytest.raises(UserError, match=f"'{hypernym}' is removed of a leaf of {leaf}"):
        check_leakage(_with(random, replace(one, image=image, kind="hypernym", concept=hypernym, gold=True)))


def test_manifests_of_another_taxonomy(index: ImageIndex, coco: Taxonomy, tmp_path: Path) -> None:
    zoo = taxonomy_of(tmp_path)
    manifest = build_condition(index, coco, "full").manifest
    check_manifest(manifest, coco.part(["dog", "cat"]))
    with pytest.raises(UserError, match=r"run/manifest.json: made with another taxonomy \('coco', .*\) than 'zoo'"):
        check_manifest(manifest, zoo, "run/manifest.json")
    with pytest.raises(UserError, match=r"it has no taxonomy.signature"):
        check_manifest({}, zoo)
    with pytest.raises(UserError, match="indexed with another taxonomy than zoo"):
        build_condition(index, zoo, "full")


@pytest.mark.parametrize("text", ["", "Full", "random", "random-0", "random-100", "random-3.5", "systematic-0", "x-3"])
def test_no_condition(text: str) -> None:
    with pytest.raises(UserError, match=r"condition '.*': write full, random-P \(P 1..99\) or systematic-N"):
        Condition.parse(text)


def test_conditions_that_cannot_be(coco: Taxonomy) -> None:
    assert [str(Condition.parse(text)) for text in ("full", "random-30")] == ["full", "random-30"]
    with pytest.raises(UserError, match="systematic-29: coco has 29 hypernyms here; take fewer, or full"):
        remove(coco, Condition("systematic", 29), 0)
    with pytest.raises(UserError, match="rule 'union' of systematic-2: is none of question, folder"):
        remove(coco, Condition("systematic", 2), 0, "union")


def test_inspect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zoo = taxonomy_of(tmp_path)
    root = folders_of(tmp_path / "images", dict.fromkeys(zoo.leaves, 8))
    manifest = tmp_path / "out" / "manifest.json"
    options = {"taxonomy": str(tmp_path / "taxonomy.csv"), "images": str(root), "manifest": str(manifest)}
    run(InspectConfig(**options, condition="systematic-1", seed=2))
    said = capsys.readouterr().out
    # 8 leaves of 8 images: floor(5.6) = 5 train, 6 - 5 = 1 val, 2 test
    assert "40 train, 8 val, 16 test" in said and "8 leaves, 4 hypernyms" in said
    assert "asked for 25.0 %" in said and said.count("Is there a") >= 4
    check_manifest(json.loads(manifest.read_text()), load_taxonomy(options["taxonomy"]))
    run(InspectConfig())
    assert capsys.readouterr().out.splitlines()[1] == "leaves      80"


def test_leaves_that_all_name_a_hypernym(tmp_path: Path) -> None:
    taxonomy_of(tmp_path, "candy bar,candy\ncandy cane,candy")
    root = folders_of(tmp_path / "images", {"candy bar": 5, "candy cane": 5})
    with pytest.raises(UserError, match="nothing to train on: every leaf's name holds that of a hypernym"):
        run(InspectConfig(taxonomy=str(tmp_path / "taxonomy.csv"), images=str(root)))


def test_inspect_refuses(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--mentions 0: must be 1 or more"):
        run(InspectConfig(mentions=0))
    with pytest.raises(UserError, match="condition 'half'"):
        run(InspectConfig(condition="half"))
