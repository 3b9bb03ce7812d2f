"""What a run says, in words with intervals.  The rules stand here, and were fixed before any run was read.

"Above chance" is above the higher of two lines, concept by concept: the majority line (the paper's) and the blind line
(the same answers dealt out at random; chance.py).  A difference is there if its 95 % interval, a bootstrap over
concepts, lies above 0.

knows      the LM-only answers are above chance; otherwise a VLM's failure says nothing
leaves     yes: macro-F1 on leaves lies above chance by 0.10 or more, interval and all; partly: above, by less
held-out   yes: held-out hypernyms are above chance AND above the same VLM around the random LM
ignorant   yes, it fails as it should: nothing is left above chance where the LM knows nothing, and less than elsewhere;
           partly: something is left, but less than elsewhere; no: not less than elsewhere
across     yes, it destroys: below the original map, and no longer above chance; partly: below, still above chance
within     yes, it keeps: above chance, and not below the original map; partly: above chance, below the original
Where the original map shows no generalisation there is nothing to keep or to destroy: the verdict is "untold".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from probing_vlp.pages.wording import interval, number
from probing_vlp.stats import Estimate
from probing_vlp.taxonomy.answers.outcomes import is_random, random_twin
from probing_vlp.taxonomy.report.controls import Control, Knowledge, controls
from probing_vlp.taxonomy.report.measured import Measured, Setting

Answer = Literal["yes", "partly", "no", "untold"]
MARGIN = 0.10
"""By how much leaves must be above chance to be called learned."""


@dataclass(frozen=True)
class Verdict:
    """The answer to one question for one system (encoder and language model)."""

    key: str
    system: str
    """Names of the encoder and the language model."""
    answer: Answer
    words: str
    """The answer as a sentence with its numbers."""
    numbers: tuple[tuple[str, Estimate], ...] = ()
    """What it rests on, each with the number of concepts (or leaves) in Estimate.n."""

    @property
    def part(self) -> str:
        """What follows the colon of the key: a condition, a map, unknown, pairs."""
        return self.key.partition(":")[2]


def verdicts(measured: Measured, knowledge: Knowledge) -> list[Verdict]:
    """Every verdict of every system with a language model that is not random."""
    found = []
    for encoder in measured.encoders:
        for lm in (name for name in measured.lms if not is_random(name)):
            found += _system(measured, Setting(encoder, lm), knowledge)
    return found


def _system(measured: Measured, setting: Setting, knowledge: Knowledge) -> list[Verdict]:
    random = random_twin(setting.lm, measured.lms)
    conditions = list(measured.conditions)
    held_out = [held_out_verdict(measured, replace(setting, condition=name), random) for name in conditions]
    found = [knows(measured, setting, knowledge.unknown), leaves_verdict(measured, setting), *held_out]
    if (alone := measured.by_text(setting.lm)) is not None:
        found += [by_text(control, setting) for control in controls(measured, alone, knowledge)]
    shown = next((one for one in held_out if one.key == "held-out:full"), held_out[0] if held_out else None)
    if shown is not None:
        setting = replace(setting, condition=shown.part)
        found += [ignorant(control, setting, shown.answer) for control in controls(measured, setting, knowledge)]
        found += [map_verdict(measured, setting, name, shown.answer) for name in measured.maps if name != "original"]
    return [one for one in found if one is not None]


def said(estimate: Estimate, signed: bool = False) -> str:
    """ "0.612 (0.55 to 0.67)"; "not measured" for NaN."""
    if estimate.value != estimate.value:
        return "not measured"
    if estimate.low != estimate.low:
        return f"{number(estimate.value, signed)} (no interval: n = {estimate.n})"
    return f"{number(estimate.value, signed)} ({interval(estimate.low, estimate.high, signed)})"


def knows(measured: Measured, setting: Setting, unknown: frozenset[str]) -> Verdict | None:
    """Whether the language model knows its hypernyms by text alone, the `unknown` ones aside."""
    alone = measured.by_text(setting.lm)
    if alone is None:
        return None
    value, above = measured.mean(alone, but=unknown), measured.above_line(alone, but=unknown)
    answer: Answer = "yes" if above.low > 0 else "no"
    how = {"yes": "knows its hypernyms", "no": "does NOT know its hypernyms, so no failure below means anything"}[
        answer
    ]
    words = f"By text alone the LM {how}: {_f1(value, above, 'hypernyms')}."
    return Verdict("knows", setting.lm, answer, words, (("macro-F1", value), ("above chance", above)))


def leaves_verdict(measured: Measured, setting: Setting) -> Verdict | None:
    """Whether leaves are learned, all conditions together."""
    own = replace(setting, condition=None, test="leaves")
    value, above = measured.mean(own), measured.above_line(own)
    if not value.n:
        return None
    answer: Answer = "yes" if above.low >= MARGIN else "partly" if above.low > 0 else "no"
    how = {"yes": "learned well above chance", "partly": "learned, but little above chance", "no": "NOT learned"}[
        answer
    ]
    words = f"Leaves are {how}: {_f1(value, above, 'leaves')}."
    return Verdict("leaves", _system_name(setting), answer, words, (("macro-F1", value), ("above chance", above)))


def held_out_verdict(measured: Measured, setting: Setting, random: str | None) -> Verdict:
    """Whether hypernyms that were not asked about in training are answered, in one condition."""
    value, line, above = measured.mean(setting), measured.mean(setting, "line"), measured.above_line(setting)
    numbers = [
        ("macro-F1", value),
        ("majority line", measured.mean(setting, "chance")),
        ("chance", line),
        ("above chance", above),
    ]
    better = above.low > 0
    beside = "no random LM to compare with"
    if random is not None:
        gap = measured.difference(setting, replace(setting, lm=random))
        numbers += [("random LM", measured.mean(replace(setting, lm=random))), ("above random LM", gap)]
        beside = f"{said(gap, True)} above the random LM"
        better = better and gap.low > 0
    answer: Answer = "untold" if not value.n else "yes" if better else "no"
    how = {"yes": "generalise", "no": "do not generalise, as far as these data show", "untold": "were not asked about"}[
        answer
    ]
    where = "With no hypernym question in training" if setting.condition == "full" else f"In {setting.condition}"
    words = f"{where}, held-out hypernyms {how}"
    if value.n:
        words += f": {_f1(value, above, 'hypernyms')}, {beside}."
    return Verdict(f"held-out:{setting.condition}", _system_name(setting), answer, words, tuple(numbers))


def ignorant(control: Control, setting: Setting, original: Answer) -> Verdict:
    """Whether the VLM fails where its language model knows nothing."""
    answer: Answer = "no" if not control.lost.low > 0 else "partly" if control.left.low > 0 else "yes"
    if original != "yes":
        answer = "untold"
    how = {
        "yes": "it fails, as it should",
        "partly": "it does worse than elsewhere, but does not fail altogether",
        "no": "it does NOT do worse than elsewhere, so its answers need not come from the LM"
        if control.what == "unknown"
        else "it does NOT do worse than elsewhere: pairs can be inferred from what leaves have in common",
        "untold": "it has nothing to lose, since it does not generalise elsewhere",
    }[answer]
    if control.what == "unknown":
        words = f"On {control.size} hypernyms that the LM never read of, {how}: macro-F1 less chance "
        words += f"{said(control.left, True)}, on known ones {said(control.lost, True)} more."
    else:
        words = f"On {control.size} pairs kept out of the LM’s text, {how}: hits less false alarms "
        words += f"{said(control.left, True)}, on known pairs {said(control.lost, True)} more hits."
    words += f" Intervals over {control.left.n} leaves."
    numbers = (("left", control.left), ("lost", control.lost))
    return Verdict(f"ignorant:{control.what}", _system_name(setting), answer, words, numbers)


def by_text(control: Control, setting: Setting) -> Verdict:
    """Whether the language model itself is ignorant of what it was kept from reading."""
    answer: Answer = "no" if not control.lost.low > 0 else "partly" if control.left.low > 0 else "yes"
    what = "hypernyms that it never read of" if control.what == "unknown" else "pairs kept out of its text"
    how = {"yes": "is ignorant", "partly": "knows less than elsewhere, but something", "no": "is NOT ignorant"}[answer]
    words = f"By text alone the LM {how} of {control.size} {what}: {said(control.left, True)} is left above chance, "
    words += f"{said(control.lost, True)} less than elsewhere."
    return Verdict(f"text:{control.what}", setting.lm, answer, words, (("left", control.left), ("lost", control.lost)))


def map_verdict(measured: Measured, setting: Setting, name: str, original: Answer) -> Verdict:
    """What a label map does to the held-out hypernyms."""
    own = replace(setting, map=name)
    value, above, change = measured.mean(own), measured.above_line(own), measured.difference(own, setting)
    numbers = (("macro-F1", value), ("above chance", above), ("change", change))
    what = f"{name.capitalize()}-category shuffling" if name in ("within", "across") else f"Map {name}"
    if original != "yes" or not value.n:
        words = f"{what}: nothing to keep or to destroy, since the original map shows no generalisation"
        words += f"; macro-F1 {said(value)}, {said(change, True)} against the original." if value.n else "."
        return Verdict(f"map:{name}", _system_name(setting), "untold", words, numbers)
    below, alive = change.high < 0, above.low > 0
    if name == "within":
        answer: Answer = "no" if not alive else "partly" if below else "yes"
        how = {"yes": "keeps it", "partly": "keeps a part of it", "no": "does NOT keep it"}[answer]
    else:
        answer = "no" if not below else "partly" if alive else "yes"
        how = {"yes": "destroys it", "partly": "weakens it and does not destroy it", "no": "does NOT weaken it"}[answer]
    words = f"{what} {how}: {_f1(value, above, 'hypernyms')}, {said(change, True)} against the original map."
    return Verdict(f"map:{name}", _system_name(setting), answer, words, numbers)


def _f1(value: Estimate, above: Estimate, units: str) -> str:
    return f"macro-F1 {said(value)} over {value.n} {units}, {said(above, True)} above chance"


def _system_name(setting: Setting) -> str:
    return f"{setting.encoder} + {setting.lm}"


def headline(found: Sequence[Verdict], who: str) -> str:
    """The answer of a run in one sentence, from its first system; `who` is the language model, as a subject."""
    held_out = [one for one in found if one.key.startswith("held-out:") and one.answer != "untold"]
    if not held_out:
        return f"Does {who} carry hypernyms over to photographs? These data do not say"
    first = held_out[0]
    if any(one.key == "knows" and one.answer == "no" for one in found):
        return f"{who} does not know its hypernyms by text, so it had nothing to carry over to photographs"
    own = {one.key: one.answer for one in found if one.system == first.system}
    if own.get("leaves") == "no":
        return f"{who} was not reached: leaves were not learned, so nothing can be said of their hypernyms"
    if first.answer != "yes":
        return f"{who} shows no sign of carrying hypernyms over to photographs"
    # pairs kept out of the text may be inferred from what leaves have in common: no yardstick of ignorance
    beside = {
        "yes": ", and fails on those that it never read of",
        "no": ", but does as well on those that it never read of",
    }
    told = beside.get(own.get("ignorant:unknown", ""), "")
    return f"{who} carries hypernyms over to photographs that it was never asked about{told}"
