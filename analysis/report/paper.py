"""The numbers that Ma et al. 2023 published, as they are printed: scores and metrics times 100.

Their figures 2, 3 and 4 exist as pictures only, so no number of theirs can stand beside ours there.  Where the paper
disagrees with itself the table printed first is taken: CE under ViLBERT is 84.6 in Table 2 and 72.5 in Table 7.
`obstacle` says whether a report's setting is theirs; only then do their numbers stand in the same cells as ours.
"""

from collections.abc import Mapping, Sequence

from analysis.scores import mini_scorers, reward_scorers
from probing_vlp.dump import CaptionDump
from probing_vlp.pages.tables import Cell, Line, Table

MODELS = ("UNITER", "ROSITA", "ViLBERT", "CLIP", "LXMERT")
NAMES = {name.lower(): name for name in MODELS}
"""The paper's name of a scorer of ours."""
METRICS = ("BLEU-1", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "SPICE")
STATISTICS = ("perplexity", "length", "nouns", "distinct_nouns")
IMAGES = 5000
TABLE_2_SCORES = {
    "UNITER": (90.4, 75.4, 89.5, 27.7, 88.2),
    "ROSITA": (85.7, 97.3, 89.2, 26.8, 89.1),
    "ViLBERT": (59.8, 80.2, 97.3, 26.0, 75.4),
    "CLIP": (55.0, 86.0, 85.5, 32.1, 79.7),
    "LXMERT": (73.9, 90.7, 84.6, 27.2, 93.6),
    "CE": (71.6, 86.5, 84.6, 27.8, 80.1),
}
TABLE_2_METRICS = {
    "UNITER": (44.5, 6.0, 14.3, 35.8, 34.9, 9.7),
    "ROSITA": (25.2, 1.0, 13.8, 26.7, 5.3, 9.1),
    "ViLBERT": (26.0, 2.5, 14.4, 24.8, 7.5, 12.0),
    "CLIP": (31.2, 3.9, 16.4, 31.0, 10.3, 10.3),
    "LXMERT": (30.0, 3.3, 16.1, 31.2, 9.3, 11.3),
    "CE": (72.2, 28.7, 24.4, 52.4, 92.0, 17.4),
}
TABLE_4 = {
    "UNITER": (134.6, 6.7, 3.2, 2.5),
    "ROSITA": (505.2, 19.9, 6.6, 4.2),
    "ViLBERT": (174.8, 20.0, 6.8, 4.9),
    "CLIP": (131.2, 19.7, 8.7, 6.5),
    "LXMERT": (176.6, 19.0, 7.2, 3.2),
    "CE": (7.4, 9.5, 3.4, 3.2),
}
TABLE_5 = (
    ("UNITER", "prefix", "(NOUN.P)*+REL", 89.7, "a table table of"),
    ("UNITER", "pattern", "Prefix+(NOUN.P)*", 87.2, "a table table of the table tools"),
    ("ROSITA", "prefix", "a+IMAGE.P+that+is", 56.7, "a image image that is"),
    ("ROSITA", "prefix", "(NOUN.P)*+that+is", 28.9, "a man man that is"),
    (
        "ROSITA",
        "pattern",
        "Prefix+((CONJ)?+(NOUN.P)*)*",
        60.7,
        "a image image that is a a cabinets but a a cabinets but a a sink",
    ),
    ("ViLBERT", "prefix", "(NOUN.P)*+that", 91.9, "a bird that"),
    (
        "ViLBERT",
        "pattern",
        "Prefix+((AUX)?+(REL)?+(NOUN.P))*",
        82.9,
        "a bird that the kite above the sky above the beach towards this water",
    ),
    ("CLIP", "prefix", "a+IMAGE.P+of", 74.6, "a image image of"),
    (
        "CLIP",
        "pattern",
        "Prefix+((CONJ)?+(REL)?+(NOUN.P)*)*",
        54.0,
        "a image image of a white bathroom with a brown shower curtain near a corner area and seat floor holder",
    ),
    ("LXMERT", "prefix", "(NOUN.P)*+REL", 99.6, "a man man posing"),
    (
        "LXMERT",
        "pattern",
        "Prefix+((REL)?+NOUN.P)*",
        94.1,
        "a man man posing a bike riding a bike bike riding a dirt near a road near a dirt ground",
    ),
)
TABLE_7 = {
    "UNITER": (71.6, 80.5, "a+NOUN+of+the+(NOUN)*"),
    "ROSITA": (86.5, 93.1, "a+image+image+that+is+a+a+NOUN (but+a+a+NOUN)*"),
    "ViLBERT": (72.5, 87.7, "a+NOUN+that+the+NOUN+(at+the+NOUN)*"),
    "CLIP": (27.8, 28.6, "a+image+image+of+NOUN+(near+a+NOUN)*"),
    "LXMERT": (80.1, 81.1, "a+NOUN+(of+a+NOUN)*"),
}


def obstacle(dumps: Sequence[CaptionDump]) -> str:
    """Why the paper's numbers are no yardstick for these dumps; empty where they are.

    The setting is theirs if every dump describes 5,000 photographs of COCO's val2014 (their test split has as many),
    a scorer of theirs was the reward of one, and no scorer is a mini one.
    """
    minis = mini_scorers(dumps)
    if minis:
        return f"{' and '.join(minis)}: small, and trained here"
    if not any(name in NAMES for dump in dumps for name in reward_scorers(dump)):
        return "no captioner here was trained towards one of the paper's five scorers"
    for dump in dumps:
        if len(dump.records) != IMAGES:
            return f"{len(dump.records):,} photographs, not the paper's {IMAGES:,}"
        if not all(record.file_name.startswith("COCO_val2014_") for record in dump.records):
            return "these are not photographs of COCO's val2014"
    return ""


def paper_names(dumps: Sequence[CaptionDump]) -> dict[str, str]:
    """What the paper calls each dump's captioner, by the dump's name: "CE", or its one reward; none if it has none."""
    found = {}
    for dump in dumps:
        rewards = reward_scorers(dump)
        if not rewards and dump.header.get("kind") == "ce":
            found[dump.name] = "CE"
        elif len(rewards) == 1 and rewards[0] in NAMES:
            found[dump.name] = NAMES[rewards[0]]
    return found


def published(model: str, name: str) -> float | None:
    """The paper's value of a row of ours for one of its captioners, on our scale; None where it printed none."""
    kind, _, scorer = name.partition(":")
    if model not in TABLE_4:
        return None
    if kind == "score" and scorer in NAMES:
        return TABLE_2_SCORES[model][MODELS.index(NAMES[scorer])] / 100
    if name in METRICS:
        return TABLE_2_METRICS[model][METRICS.index(name)] / 100
    return TABLE_4[model][STATISTICS.index(name)] if name in STATISTICS else None


def table_2() -> Table:
    """The paper's Table 2."""
    values = {model: (*TABLE_2_SCORES[model], *TABLE_2_METRICS[model]) for model in TABLE_2_SCORES}
    groups = (("VLP model score", len(MODELS)), ("Image captioning metrics", len(METRICS)))
    return _numbers("paper-2", "Table 2 of the paper, times 100", (*MODELS, *METRICS), values, groups)


def table_4() -> Table:
    """The paper's Table 4."""
    return _numbers("paper-4", "Table 4 of the paper", ("PPL", "Avg. Leng.", "Noun", "Uni. Noun"), TABLE_4)


def table_5() -> Table:
    """The paper's Table 5."""
    lines = tuple(
        Line(model, (Cell(kind), Cell(pattern), Cell(f"{share} %"), Cell(example)))
        for model, kind, pattern, share, example in TABLE_5
    )
    return Table("paper-5", "Table 5 of the paper", ("", "Pattern", "Share", "Example"), lines)


def table_7() -> Table:
    """The paper's Table 7."""
    lines = tuple(
        Line(model, (Cell(str(ce)), Cell(str(made)), Cell(template))) for model, (ce, made, template) in TABLE_7.items()
    )
    return Table("paper-7", "Table 7 of the paper, times 100", ("CE", "Recons.", "Template"), lines)


def _numbers(
    key: str,
    caption: str,
    columns: tuple[str, ...],
    values: Mapping[str, tuple[float, ...]],
    groups: tuple[tuple[str, int], ...] = (),
) -> Table:
    lines = tuple(Line(model, tuple(Cell(str(value)) for value in of)) for model, of in values.items())
    return Table(key, caption, columns, lines, groups=groups)
