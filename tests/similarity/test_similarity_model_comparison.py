"""Two models, one target: closed forms by hand, tests over participants against scipy, adjusted p values by hand."""

import numpy as np
import pytest
from scipy import stats

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.model_comparison import (
    difference,
    fisher_z_independent,
    fisher_z_paper,
    meng_z,
    paired,
    steiger_z,
)
from probing_vlp.similarity.distances.multiplicity import adjust


def test_closed_forms_by_hand() -> None:
    r1, r2, r12, n = 0.5, 0.3, 0.4, 103
    gap = np.arctanh(0.5) - np.arctanh(0.3)
    # m = 0.4: covariance 0.4 (1 - 0.32) - 0.08 (1 - 0.32 - 0.16) = 0.2304, over (1 - 0.16)^2 = 0.7056: s = 0.326530...
    found = steiger_z(r1, r2, r12, n)
    assert found.z == pytest.approx(gap * 10 / np.sqrt(2 - 2 * 0.2304 / 0.7056))
    assert found.p == pytest.approx(2 * stats.norm.sf(found.z))
    # q = 0.17, f = 0.6 / (2 * 0.83) = 0.361445..., h = (1 - f q) / 0.83
    h = (1 - 0.6 / 1.66 * 0.17) / 0.83
    assert meng_z(r1, r2, r12, n).z == pytest.approx(gap * np.sqrt(100 / (2 * 0.6 * h)))
    assert fisher_z_paper(r1, r2, n).z == pytest.approx(gap / np.sqrt(1.06 / 100))
    assert fisher_z_independent(r1, r2, n, n).z == pytest.approx(fisher_z_paper(r1, r2, n).z / np.sqrt(2))


def test_the_published_test_on_published_numbers() -> None:
    # SimCSE 0.1386 and EXP48 0.169 with the brain on the 12,720 pairs of objects: 0.016 with the error of two samples
    assert fisher_z_independent(0.1386, 0.169, 12720, 12720).p == pytest.approx(0.016, abs=0.001)
    assert fisher_z_paper(0.1386, 0.169, 12720).p == pytest.approx(6.4e-4, abs=0.5e-4)


def test_models_that_cannot_be_told_apart() -> None:
    assert steiger_z(0.4, 0.4, 0.7, 50).p == 1 and meng_z(0.4, 0.4, 0.7, 50).p == 1
    for test in (steiger_z(0.4, 0.4, 1.0, 3), meng_z(1.0, 1.0, 1.0, 50), fisher_z_paper(1.0, 1.0, 50)):
        assert np.isnan(test.p)


def test_participants_are_paired_as_in_scipy() -> None:
    first, second = np.random.default_rng(1).uniform(-0.2, 0.6, size=(2, 12))
    found = paired(first, second)
    t = stats.ttest_rel(np.arctanh(first), np.arctanh(second))
    w = stats.wilcoxon(np.arctanh(first), np.arctanh(second))
    assert (found.n, found.t, found.p_t) == (12, pytest.approx(t.statistic), pytest.approx(t.pvalue))
    assert (found.w, found.p_wilcoxon) == (w.statistic, pytest.approx(w.pvalue))
    assert np.isnan(paired(first, first).p_t) and np.isnan(paired(first[:1], second[:1]).p_t)


def test_the_bootstrap_of_a_difference() -> None:
    # 99 draws: four are 0 or less, so p = 2 (1 + 4) / 100
    drawn = np.concatenate([np.full(4, -0.1), np.linspace(0.01, 0.5, 95)])
    found = difference(0.2, drawn + 0.3, np.full(99, 0.3))
    assert found.value == 0.2 and found.p == pytest.approx(0.10) and found.interval.draws == 99
    assert np.isnan(difference(0.2, drawn[:1], drawn[:1]).p)


def test_adjusted_p_by_hand() -> None:
    p = [0.01, 0.04, np.nan, 0.03, 0.2]
    # four tests; holm: 4 * 0.01, 3 * 0.03, max(2 * 0.04, 0.09), 0.2; bh: 0.04, then 4/2 * 0.03 down to 4/3 * 0.04
    expected = {
        "bonferroni": [0.04, 0.16, np.nan, 0.12, 0.8],
        "holm": [0.04, 0.09, np.nan, 0.09, 0.2],
        "bh": [0.04, 0.16 / 3, np.nan, 0.16 / 3, 0.2],
    }
    for method, values in expected.items():
        assert adjust(p, method) == pytest.approx(values, nan_ok=True)
    assert np.isnan(adjust([np.nan], "holm")).all() and len(adjust([], "bh")) == 0
    with pytest.raises(UserError, match="unknown adjustment"):
        adjust(p, "sidak")
    with pytest.raises(UserError, match="between 0 and 1"):
        adjust([1.5], "holm")


def test_adjusted_p_of_random_families_equal_those_of_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    generator = np.random.default_rng(3)
    for n in (1, 2, 7, 40):
        p = generator.random(n).round(1)  # with ties
        for method, theirs in (("bonferroni", "bonferroni"), ("holm", "holm"), ("bh", "fdr_bh")):
            assert adjust(p, method) == pytest.approx(multipletests(p, method=theirs)[1], abs=1e-12)
