"""Sentences with a slot, and words put into it; where the word stands is recorded when it is put there.

Conditions: isolated (the bare word), neutral (five sentences for all words), caption-like (five for each category) and
generic-caption-like (two for all).  A search for the word afterwards, as in the paper's code, finds a word inside an
earlier word, or nothing once the case has changed.

A template file of one's own:

    YAML   a list of sentences; or condition: [sentences] or {category: [sentences]}; or category: [sentences]
    CSV    columns template and, if they differ, condition, category

Each has {word} once and may have {article}.  Source: Bavaresco & Fernández (CoNLL 2025), section 3, appendix.
Confound: caption-like sentences differ by category, so that an encoder sees the category without the word.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from probing_vlp.errors import UserError
from probing_vlp.files import read_bytes
from probing_vlp.similarity.words.articles import RULES, article_of, raise_first
from probing_vlp.similarity.words.stimuli import Stimuli, category_name

SHIPPED = Path(__file__).parents[2] / "assets" / "similarity_templates.yaml"
CONDITIONS = ("isolated", "neutral", "caption-like", "generic-caption-like")
ANY = ""
"""The category of a template that is for all words."""
REMEDY = "give a YAML list of sentences with {word}, or a CSV with a column template"
SLOT = re.compile(r"\{(\w*)\}")


class Template(NamedTuple):
    """A sentence with {word} and perhaps {article}; `category` "" is for all words."""

    condition: str
    category: str
    text: str


class Filled(NamedTuple):
    """A word in a sentence: text[start:end] is the word."""

    word: str
    template: str
    text: str
    start: int
    end: int


def fill(
    stimuli: Stimuli, condition: str, article: str = "paper", templates: Sequence[Template] | None = None
) -> list[Filled]:
    """Every word in every template of a condition, word by word in the order of `stimuli`.

    Templates of the word's category come with those for all words.  UserError for a condition that there is not, a
    category without templates, or words without categories where templates have them.
    """
    if article not in RULES:
        raise UserError(f"article rule '{article}' is not one of {', '.join(RULES)}")
    chosen = [one for one in (shipped() if templates is None else templates) if one.condition == condition]
    if not chosen:
        known = sorted({one.condition for one in (templates or shipped())})
        raise UserError(f"condition '{condition}': no templates; there are: {', '.join(known)}")
    by_category: dict[str, list[str]] = {}
    for one in chosen:
        by_category.setdefault(one.category, []).append(one.text)
    _check_categories(stimuli, by_category, condition)
    rows = []
    for word, category in zip(stimuli.words, stimuli.categories or [ANY] * len(stimuli.words), strict=True):
        texts = [*by_category.get(ANY, []), *(by_category.get(category, []) if category else [])]
        rows += [put(word, text, f"{condition} {i}", article) for i, text in enumerate(texts, 1)]
    return rows


def put(word: str, template: str, name: str, rule: str = "paper") -> Filled:
    """The word in one template; a template with {article} is capitalised as the rule says."""
    with_article = "{article}" in template
    before, _, after = template.replace("{article}", article_of(word, rule) if with_article else "").partition("{word}")
    if with_article and before:
        before = raise_first(before, rule)
        if rule == "paper":
            word_there, after = word.lower(), after.lower()
        else:
            word_there = word
    else:
        word_there = raise_first(word, rule) if with_article else word
    return Filled(word, name, before + word_there + after, len(before), len(before) + len(word_there))


@lru_cache
def shipped() -> tuple[Template, ...]:
    """The project's own templates."""
    return read_templates(SHIPPED)


def read_templates(path: Path, condition: str = "own") -> tuple[Template, ...]:
    """Templates of a YAML or CSV file; those that name no condition are of `condition`.

    UserError with the file and the place for anything that is no sentence with one {word}.
    """
    raw = read_bytes(path, "template file", REMEDY)
    try:
        text = raw.decode("utf-8-sig")
        rows = list(
            _csv_rows(text, condition) if path.suffix.lower() == ".csv" else _rows(yaml.safe_load(text), condition)
        )
    except (UnicodeDecodeError, yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}: not a template file ({' '.join(str(error).split())}); {REMEDY}") from None
    if not rows:
        raise UserError(f"{path}: holds no templates; {REMEDY}")
    for where, template in rows:
        _check(path, where, template.text)
    return tuple(template for _, template in rows)


def _csv_rows(text: str, condition: str) -> Iterator[tuple[str, Template]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if "template" not in (reader.fieldnames or ()):
        raise ValueError(f"no column template among {', '.join(reader.fieldnames or ())}")
    for row in reader:
        where = f"line {reader.line_num}"
        category = category_name(row.get("category") or ANY)
        yield where, Template(row.get("condition") or condition, category, row["template"] or "")


def _rows(content: Any, condition: str, category: str = ANY, where: str = "") -> Iterator[tuple[str, Template]]:
    """Lists are sentences; keys are conditions where we know them so, else categories."""
    if isinstance(content, Mapping):
        for key, inner in content.items():
            place = f"{where}.{key}" if where else str(key)
            if not where and (key in CONDITIONS or isinstance(inner, Mapping)):
                yield from _rows(inner, str(key), ANY, place)
            else:
                yield from _rows(inner, condition, category_name(str(key)), place)
    elif isinstance(content, list):
        for i, text in enumerate(content, 1):
            if not isinstance(text, str):
                raise ValueError(
                    f"{where or 'the list'}, entry {i}: {text!r} is no sentence; quote what begins with {{"
                )
            yield f"{where or 'the list'}, entry {i}", Template(condition, category, text)
    else:
        raise ValueError(f"{where or 'the file'}: a list of sentences is needed, not {type(content).__name__}")


def _check(path: Path, where: str, text: str) -> None:
    slots = SLOT.findall(text)
    if slots.count("word") != 1:
        raise UserError(f"{path}, {where}: '{text}' has {slots.count('word')} times {{word}}; it needs it once")
    if unknown := sorted(set(slots) - {"word", "article"}):
        raise UserError(f"{path}, {where}: unknown slot {{{unknown[0]}}}; there are {{word}} and {{article}}")


def _check_categories(stimuli: Stimuli, by_category: Mapping[str, Sequence[str]], condition: str) -> None:
    if ANY in by_category:
        return
    if not stimuli.categories:
        raise UserError(
            f"condition '{condition}' has templates by category, but {stimuli.source or 'the words'} name none; give a "
            "CSV with columns word, category"
        )
    for word, category in zip(stimuli.words, stimuli.categories, strict=True):
        if category not in by_category:
            raise UserError(
                f"condition '{condition}': no templates for category '{category}' of '{word}'; there are: "
                f"{', '.join(by_category)}"
            )
