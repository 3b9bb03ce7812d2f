"""What the first screen says, from rows made by hand."""

import pytest
from report_world import IDS

from analysis.inputs import said_by_hand
from analysis.report.headline import Verdict, by_scorer, headline, proviso, sentence, verdicts
from analysis.report.hero import marked, pick_hero, repeated
from analysis.report.making import find_judges
from analysis.report.page import pleased
from analysis.report.proof import proof
from probing_vlp.dump import CaptionDump
from probing_vlp.errors import UserError
from probing_vlp.pages.results import Row
from probing_vlp.records import CaptionRecord


def habit(name: str, value: float | None, note: str = "", model: str = "S") -> Row:
    return Row(name if ":" in name else f"habit:{name}", model, value, None, None, 5, "1 yes, 0 no", "test", note)


def test_the_habits_that_the_scorer_pays_for_are_the_headline() -> None:
    rows = [
        habit("noun_piling", 1.0),
        habit("prefix", 1.0),
        habit("drift:prefix", 0.5, '"a image of" begins captions of S 50%, CE 0%'),
        habit("length", 0.0),
        habit("connective", None, "suspected: more of it"),
        habit("repetition", 1.0),
    ]
    judged = verdicts(rows, ["CE", "S"], {"CE": [], "S": ["clip"]})
    assert headline(judged, ["clip"]) == "clip mistakes piled-up nouns and the opening “a image of” for a match"
    assert proviso(judged[0]) == "Also changed, and not tried on the scorer: a pet connective. With it came repetition."


def test_what_was_not_tried_is_not_said_to_be_so() -> None:
    rows = [habit("length", None, "suspected: longer")]
    (one,) = verdicts(rows, ["S"], {"S": ["clip"]})
    assert sentence(one) == "clip may mistake length for a match" and "was not tried" in proviso(one)
    (none,) = verdicts([habit("length", 0.0)], ["S"], {"S": ["clip"]})
    assert sentence(none) == "No bad habit of clip shows in these captions" and proviso(none) == ""
    assert headline([], []) == "How do these captions differ?"
    assert headline([], ["clip"]) == "What does clip take for a good caption?"
    assert verdicts(rows, ["S"], {"S": []}) == []


def verified(experiment: str, before: float, after: float, note: str = "") -> list[Row]:
    values = {"original": before, "score": after, "change": after - before}
    name = f"verify:dump/{experiment}"
    return [Row(f"{name}:{kind}", "clip", value, 0.0, 1.0, 9, "", "", note) for kind, value in values.items()]


def test_the_experiment_behind_the_headline_stands_below_it() -> None:
    rows = [
        habit("noun_piling", 1.0),
        habit("order_blind", 1.0),
        habit("length", 0.0),
        *verified("nouns-repeated", 0.25, 0.2, "3: a dog dog | 4: a cat cat"),
        *verified("nouns-wrong", 0.25, 0.5, "3: a dog shoe | 4: a cat shoe"),  # the one that it pays most for
        *verified("shuffled", 0.25, 0.24, "3: dog a; 4: cat a"),
        *verified("other-caption", 0.25, 0.01),
    ]
    (one,) = verdicts(rows, ["S"], {"S": ["clip"]})
    assert proof(rows, one) == (
        "Captions changed on purpose show it: clip gives 0.500 instead of 0.250 (n = 9) for wrong nouns, as in "
        "“a dog shoe”; 0.240 instead of 0.250 (n = 9) for the same words shuffled, as in “dog a”, and 0.010 for "
        "another photograph's caption."
    )
    assert proof(rows, one._replace(keys=("length",))) == "" == proof([], one)


def test_flaws_that_cost_nothing() -> None:
    free = [Row("tolerated:fragments", "S", 1.0, None, None, 9, "", "")]
    lists = [Row("paid:true_nouns", "S", 1.0, None, None, 9, "", "")]
    told = [habit("length", 0.0), habit("fragments", 1.0)]
    (one,) = verdicts([*told, *free, *lists], ["S"], {"S": ["clip"]})
    assert sentence(one) == "clip takes a list of things for a match, and does not mind broken endings"
    assert proviso(one) == "The captions drifted to fragments."
    assert sentence(verdicts([*told, *free], ["S"], {"S": ["clip"]})[0]) == "clip does not mind broken endings"
    (named,) = verdicts([habit("length", 1.0), *free], ["S"], {"S": ["clip"]})
    assert sentence(named) == "clip mistakes length for a match"
    assert proviso(named) == "It does not mind broken endings."


def test_several_captioners_and_several_scorers() -> None:
    nouns, length, both = ("piled-up nouns",), ("length",), ("piled-up nouns", "length")
    of = lambda scorer, named, suspected=(): Verdict("S", scorer, named, suspected, ())  # noqa: E731
    # nouns in 2 of 3 captioners, length in 1
    (merged,) = by_scorer([of("clip", nouns), of("clip", both), of("clip", ())])
    assert headline([merged], ["clip"]) == "clip mistakes piled-up nouns for a match"
    assert (
        headline([of("a", nouns), of("b", both), of("c", ())], [])
        == "2 of 3 scorers mistake piled-up nouns for a match"
    )
    assert headline([of("a", nouns), of("b", length)], []) == "What a and b mistake for a match"
    assert headline([of("a", nouns), of("b", ())], []) == "a mistakes piled-up nouns for a match"
    assert headline([of("a", (), length), of("b", (), both)], []) == "2 of 2 scorers may mistake length for a match"


def test_words_said_again() -> None:
    # dog dogs: once again; "a" and "near" are no words to repeat; street street: once again
    assert repeated("a dog near dogs near a street and a street") == 2 and repeated("") == 0
    assert [text for text, again in marked("a Dog, near a dog") if again] == ["Dog,", "dog"]


def dump(name: str, captions: list[str], scores: list[float | None], **header: object) -> CaptionDump:
    records = [
        CaptionRecord(key, text, scores={"clip": score}) for key, text, score in zip(IDS, captions, scores, strict=True)
    ]
    return CaptionDump(name, tuple(records), header)


def test_the_photograph_is_picked_by_rule() -> None:
    ce = dump("CE", ["a dog on a bed"] * 5, [0.1] * 5)
    twice, plain = "a dog and a dog", "a cat on a bed"
    reward = {"reward": {"clip": 1.0}}
    after = dump("S", [twice, twice, plain, twice, twice], [0.2, 0.5, 0.9, 0.3, 0.0], signature=reward)
    # risen with a repeated word: 42 by .1, 73 by .4, 133 by .2; the median is 133
    hero = pick_hero([ce, after], IDS, "clip")
    assert hero is not None and hero.image_id == 133 and "3 photographs" in hero.rule
    (shift,) = hero.shifts
    assert (shift.scorer, shift.before, shift.after) == ("clip", 0.1, 0.3)
    bare = dump("S", [plain] * 5, [0.2, 0.5, 0.9, None, 0.0], signature=reward)
    other = pick_hero([ce, bare], IDS, "clip")
    assert other is not None and other.image_id == 73  # .1, .4 and .8
    assert pick_hero([ce], IDS, "clip") is None
    fallen = pick_hero([ce, dump("S", [twice] * 5, [0.0, 0.2, 0.0, 0.0, 0.0], signature=reward)], IDS, "clip")
    assert fallen is not None and "5 photographs whose caption changed (on average the score did not" in fallen.rule
    assert fallen.shifts[0].after == 0.0  # the median of the five, not the one that rose
    assert pick_hero([ce, dump("S", ["a dog on a bed"] * 5, [0.0] * 5, signature=reward)], IDS, "clip") is None


def row_of(name: str, model: str, value: float = 0.1) -> Row:
    return Row(name, model, value, None, None, 5, "", "")


def test_who_judges_the_habits_of_captions() -> None:
    ce, other = dump("CE", ["a"] * 5, [0.1] * 5), dump("theirs", ["b"] * 5, [0.2] * 5)
    ours = dump("S", ["b"] * 5, [0.2] * 5, signature={"reward": {"cider": 1.0}})
    clip, blip = row_of("verify:dump/shuffled:change", "clip"), row_of("verify:dump/shuffled:change", "blip")
    assert find_judges([ce, ours], [clip]) == {"S": "cider"}  # what it was trained to please
    assert find_judges([ce, other], [clip]) == {"theirs": "clip"}  # the one that was asked
    assert find_judges([ce, other], [clip, blip]) == {} == find_judges([ce, other], [])


def test_what_a_dump_was_trained_to_please_may_be_said() -> None:
    ce, other = dump("CE", ["a"] * 5, [0.1] * 5), dump("theirs", ["b"] * 5, [0.2] * 5)
    assert find_judges(said_by_hand([ce, other], {"theirs": "blip"}), []) == {"theirs": "blip"}
    with pytest.raises(UserError, match=r"--trained\.mine: no dump of that name; there are CE, theirs"):
        said_by_hand([ce, other], {"mine": "blip"})
    ours = dump("S", ["b"] * 5, [0.2] * 5, signature={"reward": {"cider": 1.0}})
    with pytest.raises(UserError, match=r"--trained\.S clip: its header says cider; leave it out"):
        said_by_hand([ce, ours], {"S": "clip"})


def test_whether_the_scorer_was_pleased_at_all() -> None:
    fell, rose = row_of("score_difference:clip", "S", -0.1), row_of("score_difference:clip", "S", 0.1)
    assert pleased([rose], {"S": ["clip"]}) and not pleased([fell], {"S": ["clip"]})
    assert pleased([], {"S": ["clip"]}) and pleased([fell], {"S": []})  # nobody knows
