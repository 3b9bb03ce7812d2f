"""Questions about one image: yes and no 1:1, nothing unsure, nothing true denied."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from taxonomy_images import ZOO, index_of, taxonomy_of

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.asking.questions import Asker, hypernym_words, namesakes
from probing_vlp.taxonomy.records import Question, Shown, Taxonomy


@pytest.fixture
def zoo(tmp_path: Path) -> Taxonomy:
    return taxonomy_of(tmp_path)


def shown(taxonomy: Taxonomy, text: str) -> Shown:
    return index_of(taxonomy, [text], []).parts["train"][0]


def said(questions: Sequence[Question], gold: bool) -> set[str]:
    return {question.concept for question in questions if question.gold is gold}


def test_leaves(zoo: Taxonomy) -> None:
    questions = Asker(zoo, 1).about_leaves(shown(zoo, "crow, dog, car?"))
    assert said(questions, True) == {"crow", "dog"}
    assert len(questions) == 4 and not said(questions, False) & {"crow", "dog", "car"}
    assert {(q.leaf, q.partner) for q in questions if not q.gold} == {("crow", "crow"), ("dog", "dog")}
    assert all(q.kind == "leaf" and q.image == "train0" for q in questions)
    assert questions[0].text == "Is there a crow in this image?"


def test_hypernyms(zoo: Taxonomy) -> None:
    questions = Asker(zoo, 1).about_hypernyms(shown(zoo, "crow, dog, car?"))
    # above crow: bird, animal; above dog: animal; vehicle is above an unsure leaf only; what is left to deny is toy
    assert said(questions, True) == {"animal", "bird"} and said(questions, False) == {"toy"}
    assert {(q.concept, q.leaf) for q in questions if q.gold} == {("animal", "crow"), ("bird", "crow")}


def test_an_unsure_leaf_does_not_hide_what_a_sure_one_has(zoo: Taxonomy) -> None:
    questions = Asker(zoo, 1).about_hypernyms(shown(zoo, "dog, crow?"))
    assert said(questions, True) == {"animal"} and "bird" not in {q.concept for q in questions}


def test_blocked_hypernyms_are_not_denied(zoo: Taxonomy) -> None:
    image = Shown("x", Path(), frozenset({"crow"}), blocked=frozenset({"toy"}))
    assert said(Asker(zoo, 1).about_hypernyms(image), False) == {"vehicle"}


def test_what_may_be_asked_can_be_less(zoo: Taxonomy) -> None:
    questions = Asker(zoo, 1).about_hypernyms(shown(zoo, "crow"), affirmed={"bird"}, askable={"bird", "toy"})
    assert said(questions, True) == {"bird"} and said(questions, False) == {"toy"}
    assert Asker(zoo, 1).about_hypernyms(shown(zoo, "crow"), affirmed=set(), askable={"toy"}) == []


def test_negatives_vary_from_image_to_image(zoo: Taxonomy) -> None:
    images = index_of(zoo, ["dog"] * 60, []).parts["train"]
    drawn = Counter(next(iter(said(Asker(zoo, 1).about_leaves(one), False))) for one in images)
    assert set(drawn) == zoo.leaves.keys() - {"dog"} and max(drawn.values()) < 30
    asker = Asker(zoo, 1)
    assert [asker.about_leaves(one) for one in images[::-1]] == [Asker(zoo, 1).about_leaves(one) for one in images][
        ::-1
    ]
    assert [Asker(zoo, 2).about_leaves(one) for one in images] != [asker.about_leaves(one) for one in images]


def test_fixed_negatives_are_the_same_for_all_images_of_a_leaf(zoo: Taxonomy) -> None:
    images = index_of(zoo, ["crow"] * 9 + ["dog"] * 9, []).parts["train"]
    asker = Asker(zoo, 1, "fixed")
    leaves = {tuple(sorted(said(asker.about_leaves(one), False))) for one in images[:9]}
    above = {tuple(q.concept for q in asker.about_hypernyms(one) if not q.gold) for one in images[:9]}
    assert len(leaves) == len(above) == 1
    # an image that shows the wrong word is not asked about it
    wrong = leaves.pop()[0]
    both = asker.about_leaves(shown(zoo, f"crow, {wrong}"))
    assert wrong not in said(both, False)


def test_another_leaf_of_the_same_name_is_not_denied(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path, "bracelet1,jewel\nbracelet2,toy\nring,jewel")
    for i in range(20):
        image = Shown(str(i), Path(), frozenset({"bracelet1"}))
        assert said(Asker(taxonomy, 1).about_leaves(image), False) == {"ring"}


def test_leaves_that_name_a_hypernym_are_not_asked_about(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path, f"{ZOO}\nbird_cage,box\ntoy_animals,box\nbird,bird\nbirdhouse,box\nToybox,box")
    assert namesakes(taxonomy) == {"bird_cage", "toy_animals", "bird"}
    assert not hypernym_words(taxonomy).search("a birdhouse, a toyish thing and boxing")
    assert hypernym_words(taxonomy).findall("Animals of the TOY box, vehicles") == ["Animals", "TOY", "box", "vehicles"]
    asker = Asker(taxonomy, 1)
    assert asker.about_leaves(shown(taxonomy, "bird")) == []
    denied = {
        name for i in range(99) for name in said(asker.about_leaves(Shown(str(i), Path(), frozenset(["dog"]))), False)
    }
    assert "birdhouse" in denied and not denied & namesakes(taxonomy)


def test_unknown_negatives(zoo: Taxonomy) -> None:
    with pytest.raises(UserError, match="negatives 'none': is none of per-image, fixed"):
        Asker(zoo, 1, "none")
