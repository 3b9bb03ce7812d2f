"""Verification: captions are changed on purpose, and a scorer says what the change is worth (Ma et al. 2023 section 5).

EXPERIMENTS is the table of names.  An experiment is one function or callable

    construct(cases: Sequence[Case], generator: np.random.Generator) -> list[str | None]

that writes a new caption for each case, or None where the caption offers nothing to change; `base.py` has the nouns.
Adding one: write it, add its row here, run `pytest tests/experiments` (the conformance test takes every row).
Experiments of your own need no row: `--experiments '[package.module:function]'`.

The first fourteen are the paper's (Figure 2, Table 7, Figure 3), the others are what it lacks.
"""

EXPERIMENTS = {
    "visual-replaced": "probing_vlp.experiments.replacing:replace_visual",
    "others-replaced": "probing_vlp.experiments.replacing:replace_others",
    "template-uniter": "probing_vlp.experiments.templates:uniter",
    "template-rosita": "probing_vlp.experiments.templates:rosita",
    "template-rosita-table7": "probing_vlp.experiments.templates:rosita_table7",
    "template-vilbert": "probing_vlp.experiments.templates:vilbert",
    "template-clip": "probing_vlp.experiments.templates:clip",
    "template-clip-table7": "probing_vlp.experiments.templates:clip_table7",
    "template-lxmert": "probing_vlp.experiments.templates:lxmert",
    "words-3": "probing_vlp.experiments.templates:words_3",
    "words-4": "probing_vlp.experiments.templates:words_4",
    "words-5": "probing_vlp.experiments.templates:words_5",
    "words-6": "probing_vlp.experiments.templates:words_6",
    "words-7": "probing_vlp.experiments.templates:words_7",
    "shuffled": "probing_vlp.experiments.arranging:shuffle",
    "nouns-exchanged": "probing_vlp.experiments.arranging:exchange_nouns",
    "noun-swapped": "probing_vlp.experiments.replacing:swap_noun",
    "attribute-swapped": "probing_vlp.experiments.replacing:swap_attribute",
    "relation-swapped": "probing_vlp.experiments.replacing:swap_relation",
    "count-changed": "probing_vlp.experiments.meaning:change_count",
    "negated": "probing_vlp.experiments.meaning:negate",
    "other-caption": "probing_vlp.experiments.arranging:take_another",
    "repeated": "probing_vlp.experiments.arranging:repeat",
    "truncated": "probing_vlp.experiments.arranging:truncate",
    "end-dropped": "probing_vlp.experiments.arranging:drop_end",
    "prefixed": "probing_vlp.experiments.adding:prefix",
    "nouns-appended": "probing_vlp.experiments.adding:append_nouns",
    "nouns-repeated": "probing_vlp.experiments.doses:repeat_nouns",
    "nouns-wrong": "probing_vlp.experiments.doses:append_wrong_nouns",
    "fillers-appended": "probing_vlp.experiments.doses:append_fillers",
    "prefix-first": "probing_vlp.experiments.doses:prefix_first",
    "prefix-last": "probing_vlp.experiments.doses:prefix_last",
    "fillers-first": "probing_vlp.experiments.doses:fillers_first",
    "fillers-last": "probing_vlp.experiments.doses:fillers_last",
    "connected": "probing_vlp.experiments.doses:connect",
    "others-connected": "probing_vlp.experiments.doses:connect_others",
}
