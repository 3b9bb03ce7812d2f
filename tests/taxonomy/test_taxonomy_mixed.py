"""Mixed models: known effects found again, failures in words.  Agreement of a VLM with its LM."""

import numpy as np
import pandas as pd
import pytest
from test_taxonomy_verdicts import world

from probing_vlp.taxonomy.answers import mixed
from probing_vlp.taxonomy.report.agreement import agreements
from probing_vlp.taxonomy.report.measured import Setting, measure


def table(hypernyms: int = 30, seeds: int = 3) -> pd.DataFrame:
    """f1 = 0.5 + 0.3 coherence + noise of hypernyms (0.05), seeds (0.02) and rows (0.02); backbone_f1 says nothing."""
    random = np.random.default_rng(1)
    coherence, backbone, own = random.normal(size=(3, hypernyms))
    shift = 0.02 * random.normal(size=seeds)
    rows = [
        {
            "f1": 0.5 + 0.3 * coherence[h] + 0.05 * own[h] + shift[s] + 0.02 * random.normal(),
            "coherence": coherence[h],
            "backbone_f1": backbone[h],
            "hypernym": f"h{h}",
            "seed": str(s),
        }
        for h in range(hypernyms)
        for s in range(seeds)
    ]
    return pd.DataFrame(rows)


def test_a_known_effect_is_found_and_none_where_there_is_none():
    data = table()
    fit = mixed.fit(data, "f1", ("coherence", "backbone_f1"))
    terms = {term.name: term for term in fit.terms}
    assert terms["coherence"].estimate == pytest.approx(0.3, abs=0.03)
    assert terms["coherence"].p < 0.001
    # every hypernym has every seed, so the estimates are those of least squares on the means of hypernyms
    means = data.groupby("hypernym")[["f1", "coherence", "backbone_f1"]].mean()
    design = np.column_stack([np.ones(len(means)), means[["coherence", "backbone_f1"]]])
    expected = np.linalg.lstsq(design, means["f1"].to_numpy(), rcond=None)[0]
    assert [term.estimate for term in fit.terms] == pytest.approx(expected, abs=1e-6)
    assert abs(terms["backbone_f1"].estimate) < 0.03
    assert dict(fit.variances)["hypernym"] == pytest.approx(0.05**2, rel=0.6)
    assert (fit.n, fit.hypernyms, fit.converged) == (90, 30, True)
    assert "coherence and backbone_f1: constant within hypernyms, so without random slopes." in fit.notes


def test_two_labels_are_coded_as_minus_and_plus_one():
    data = table().assign(lm=lambda t: np.where(t["seed"] == "0", "small", "big"), seed="1")
    data["f1"] += np.where(data["lm"] == "small", 0.2, 0.0)
    fit = mixed.fit(data, "f1", ("lm",))
    effect = next(term for term in fit.terms if term.name == "lm")
    assert effect.estimate == pytest.approx(0.1, abs=0.03)  # half the difference
    assert "lm: big is -1, small +1." in fit.notes
    assert "One seed: no effect of seeds." in fit.notes


def test_what_cannot_be_fitted_is_said_in_words():
    few = mixed.fit(table(2, 2), "f1", ("coherence",))
    assert few.notes == ("4 rows of 2 hypernyms are too few to fit.",)
    assert not few.converged
    single = mixed.fit(table(seeds=1), "f1", ("coherence",))
    assert single.notes[0].startswith("One row a hypernym")
    same = mixed.fit(table().assign(coherence=0.5), "f1", ("coherence",))
    assert same.notes[-1] == "coherence has one value: nothing to compare."
    flat = mixed.fit(table().assign(f1=lambda t: 0.5 + 0.3 * t["coherence"]), "f1", ("coherence",))
    assert not flat.converged or flat.notes[1:]  # no noise at all: whatever comes of it, it is not passed over


def test_agreement_by_pairs_of_leaf_and_hypernym():
    # LM by text, over 2 phrasings: (dog, animal) right right, (dog, tool) right wrong, (saw, tool) wrong wrong
    texts = [
        ("dog animal Yes Yes Yes", "p1"), ("dog animal Yes Yes Yes", "p2"),
        ("dog tool No No No", "p1"), ("dog tool No Yes Yes", "p2"),
        ("saw tool Yes No No", "p1"), ("saw tool Yes No No", "p2"),
    ]  # fmt: skip
    # VLM over 2 photographs: (dog, animal) right wrong, (dog, tool) right right, (saw, tool) wrong wrong
    photographs = [
        ("dog animal Yes Yes", "1"), ("dog animal Yes No", "2"), ("dog tool No No", "1"),
        ("dog tool No No", "2"), ("saw tool Yes No", "3"), ("saw tool Yes No", "4"),
    ]  # fmt: skip
    rows = [(*line.split()[:4], image, "lm-only", "lm-only", "", "") for line, image in texts]
    rows += [(*line.split()[:4], image, "held-out", "full", "original", "net") for line, image in photographs]
    columns = ["leaf", "concept", "gold", "prediction", "image", "test", "condition", "map", "encoder"]
    frame = pd.DataFrame(rows, columns=columns).assign(lm="pretrained", seed="1").astype("category")
    joint, best = agreements(measure(frame, "here"), Setting("net", "pretrained"))
    # jointly: LM right of (dog, animal) alone; VLM of (dog, tool) alone
    assert joint.table["agreement"].to_dict() == {"animal": 0, "tool": 0.5}
    assert joint.value.value == 0.25
    # at best: LM right of both dog pairs; VLM too; neither of (saw, tool)
    assert best.table["agreement"].to_dict() == {"animal": 1, "tool": 1}
    assert best.table["expected"].to_dict() == {"animal": 1, "tool": 0.5}
    assert best.table["pairs"].to_dict() == {"animal": 1, "tool": 2}


def test_there_is_no_agreement_without_answers_by_text():
    assert agreements(measure(world(skill=1.0), "here"), Setting("net", "pretrained")) == []
