"""The numbers that Bavaresco & Fernández (CoNLL 2025) published, Spearman's rho to two digits as they are printed.

Theirs: best three layers, chosen on the data they are then scored on (layer mode `best3` here); 320 nouns; the 48 of
the ratings' attributes that they call EXP48; 36 participants' group matrix in the semantic network.  None of their
weights, their 48 or their fMRI comes with this project, so their numbers stand beside ours as those of other models and
other data.  `SAME` names the models by what would have to be loaded for a line to be the same.

CLAP was most probably read without its weights: the class that was used matches none of the checkpoint's names, and
what it shows, nothing but in caption-like context, is what an untrained encoder shows.
"""

from typing import NamedTuple

from probing_vlp.pages.tables import Cell, Line, Table

CITATION = "Bavaresco & Fernández (CoNLL 2025)"
WORDS = 320
SAME = {
    "bert-base-uncased": "BERT",
    "princeton-nlp/sup-simcse-bert-base-uncased": "SimCSE",
    "UdS-LSV/mcse-coco-bert-base-uncased": "MCSE",
    "uclanlp/visualbert-vqa-coco-pre": "VisualBERT",
    "openai/clip-vit-large-patch14-336": "CLIP",
    "laion/clap-htsat-unfused": "CLAP",
}
"""Hub id of a model of theirs."""


class Pair(NamedTuple):
    """Correlation with the brain and with the 48 attributes."""

    brain: float
    experience: float


CONDITIONS = {
    "neutral": {
        "BERT": Pair(0.23, 0.53),
        "SimCSE": Pair(0.22, 0.52),
        "MCSE": Pair(0.19, 0.45),
        "VisualBERT": Pair(0.12, 0.27),
        "CLIP": Pair(0.14, 0.41),
        "CLAP": Pair(0.00, 0.03),
    },
    "caption-like": {
        "BERT": Pair(0.26, 0.59),
        "SimCSE": Pair(0.23, 0.55),
        "MCSE": Pair(0.20, 0.50),
        "VisualBERT": Pair(0.14, 0.30),
        "CLIP": Pair(0.15, 0.47),
        "CLAP": Pair(0.10, 0.22),
    },
    "isolated": {
        "BERT": Pair(0.05, 0.16),
        "SimCSE": Pair(0.18, 0.29),
        "MCSE": Pair(0.19, 0.35),
        "VisualBERT": Pair(0.09, 0.17),
        "CLAP": Pair(0.03, 0.01),
    },
}
"""All 320 nouns; the isolated words of CLIP were not run."""
HALVES = {
    ("neutral", "objects"): {
        "BERT": Pair(0.13, 0.43),
        "SimCSE": Pair(0.14, 0.42),
        "MCSE": Pair(0.12, 0.40),
        "VisualBERT": Pair(0.12, 0.30),
        "CLIP": Pair(0.10, 0.39),
        "CLAP": Pair(0.05, 0.04),
    },
    ("neutral", "events"): {
        "BERT": Pair(0.27, 0.52),
        "SimCSE": Pair(0.22, 0.54),
        "MCSE": Pair(0.19, 0.53),
        "VisualBERT": Pair(0.08, 0.25),
        "CLIP": Pair(0.18, 0.48),
        "CLAP": Pair(-0.06, -0.00),
    },
    ("caption-like", "objects"): {
        "BERT": Pair(0.14, 0.53),
        "SimCSE": Pair(0.12, 0.46),
        "MCSE": Pair(0.11, 0.42),
        "VisualBERT": Pair(0.12, 0.34),
        "CLIP": Pair(0.10, 0.45),
        "CLAP": Pair(0.09, 0.13),
    },
    ("caption-like", "events"): {
        "BERT": Pair(0.27, 0.57),
        "SimCSE": Pair(0.23, 0.56),
        "MCSE": Pair(0.21, 0.58),
        "VisualBERT": Pair(0.10, 0.27),
        "CLIP": Pair(0.19, 0.52),
        "CLAP": Pair(0.06, 0.21),
    },
}
EXPERIENCE_AND_BRAIN = {"all": 0.273, "objects": 0.169, "events": 0.236}
"""The 48 attributes with the brain."""
WITHOUT_EXPERIENCE = {"BERT": 0.104, "SimCSE": 0.096, "MCSE": 0.064, "VisualBERT": 0.061, "CLAP": -0.005}
"""Brain, neutral context: what is left of a model without the 48 attributes (measure `residual`)."""
EXPERIENCE_WITHOUT = {"BERT": 0.183, "SimCSE": 0.190, "MCSE": 0.214, "VisualBERT": 0.259, "CLAP": 0.273}
"""Brain, neutral context: what is left of the 48 attributes without a model."""
WITHOUT_COUNTERPART = {"VisualBERT without BERT": 0.00, "MCSE without SimCSE": 0.00}
"""Brain, neutral context: what is left of a multimodal model without the language model that it was made from."""


def tables() -> list[Table]:
    """The published numbers in three tables."""
    return [_conditions(), _halves(), _residuals()]


def _conditions() -> Table:
    models = list(CONDITIONS["neutral"])
    columns = [(condition, part) for condition in CONDITIONS for part in Pair._fields]
    lines = [
        Line(model, tuple(_cell(CONDITIONS[condition].get(model), part) for condition, part in columns))
        for model in models
    ]
    return Table(
        "paper-conditions",
        f"Published, all {WORDS} nouns: {CITATION}",
        tuple(part for _, part in columns),
        tuple(lines),
        groups=tuple((condition, 2) for condition in CONDITIONS),
    )


def _halves() -> Table:
    columns = [(half, part) for half in HALVES for part in Pair._fields]
    lines = [
        Line(model, tuple(_cell(HALVES[half].get(model), part) for half, part in columns))
        for model in CONDITIONS["neutral"]
    ]
    groups = tuple((f"{condition}, {half}", 2) for condition, half in HALVES)
    return Table(
        "paper-halves", "Published, objects and events", tuple(part for _, part in columns), tuple(lines), groups=groups
    )


def _residuals() -> Table:
    lines = [
        Line(model, (_text(WITHOUT_EXPERIENCE[model], 3), _text(EXPERIENCE_WITHOUT[model], 3)))
        for model in WITHOUT_EXPERIENCE
    ]
    lines += [Line(pair, (_text(value), Cell())) for pair, value in WITHOUT_COUNTERPART.items()]
    columns = ("model without the 48", "the 48 without the model")
    whole = EXPERIENCE_AND_BRAIN["all"]
    return Table("paper-residuals", f"Published, brain, measure residual; the 48 alone {whole}", columns, tuple(lines))


def _cell(pair: Pair | None, part: str) -> Cell:
    return Cell(note="not run") if pair is None else _text(getattr(pair, part))


def _text(value: float, digits: int = 2) -> Cell:
    return Cell(f"{value:.{digits}f}".replace("-", "−"))
