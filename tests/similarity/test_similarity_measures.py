"""Five measures: by hand, against scipy and the toolbox, and against other ways to compute the same."""

import numpy as np
import pytest
from scipy import stats

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.measures import (
    MEASURES,
    codes,
    partial_spearman,
    prepare,
    ranks,
    recount,
    residual_spearman,
    rho_a,
    score,
    semipartial_spearman,
    spearman,
)

PAIRS = 300


def drawn(number: int, ties: bool = False) -> list[np.ndarray]:
    """Distances that have something in common."""
    generator = np.random.default_rng(4)
    common = generator.normal(size=PAIRS)
    found = [common + generator.normal(size=PAIRS) for _ in range(number)]
    return [np.round(each) for each in found] if ties else found


@pytest.mark.parametrize("ties", [False, True])
def test_ranks_are_those_of_scipy(ties: bool) -> None:
    (values,) = drawn(1, ties)
    assert (ranks(values) == stats.rankdata(values)).all()
    part = codes(values)[17:200]
    assert (recount(part) == stats.rankdata(values[17:200])).all()


def test_spearman_and_rho_a_by_hand() -> None:
    # neighbours swapped three times: sum d^2 = 6, 1 - 6 * 6 / (6 * 35)
    assert spearman(np.array([1.0, 2, 3, 4, 5, 6]), np.array([2.0, 1, 4, 3, 6, 5])) == pytest.approx(1 - 36 / 210)
    # centred ranks -2 -2 0 0 2 2 and -2.5 -1.5 -0.5 0.5 1.5 2.5: products sum to 16, squares to 16 and 17.5
    tied, plain = np.array([1.0, 1, 2, 2, 3, 3]), np.arange(6.0)
    assert rho_a(tied, plain) == pytest.approx(16 * 12 / (6**3 - 6))
    assert spearman(tied, plain) == pytest.approx(16 / np.sqrt(16 * 17.5))


@pytest.mark.parametrize("ties", [False, True])
def test_spearman_and_rho_a_are_the_toolboxs(ties: bool) -> None:
    from rsatoolbox.rdm import compare

    a, b = drawn(2, ties)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-14)
    assert spearman(a, b) == pytest.approx(compare(a, b, "spearman").item(), abs=1e-14)
    assert rho_a(a, b) == pytest.approx(compare(a, b, "rho-a").item(), abs=1e-14)


@pytest.mark.parametrize("controls", [1, 3])
def test_residual_is_least_squares_on_raw_distances_then_spearman(controls: int) -> None:
    a, b, *removed = drawn(2 + controls)
    removed = [np.exp(each) for each in removed]  # not what ranks would remove
    design = np.column_stack([np.ones(PAIRS), *removed])
    left = a - design @ np.linalg.lstsq(design, a, rcond=None)[0]
    assert residual_spearman(a, b, *removed) == pytest.approx(stats.spearmanr(left, b).statistic, abs=1e-13)


def test_one_control_is_the_formula_of_the_textbook() -> None:
    a, b, c = drawn(3, ties=True)
    ab, ac, bc = (stats.spearmanr(*pair).statistic for pair in ((a, b), (a, c), (b, c)))
    assert partial_spearman(a, b, c) == pytest.approx((ab - ac * bc) / np.sqrt((1 - ac**2) * (1 - bc**2)), abs=1e-14)
    assert semipartial_spearman(a, b, c) == pytest.approx((ab - ac * bc) / np.sqrt(1 - ac**2), abs=1e-14)


def test_several_controls_are_the_inverse_of_the_rank_correlations() -> None:
    distances = drawn(5)
    inverse = np.linalg.inv(np.corrcoef([stats.rankdata(each) for each in distances]))
    a, b, *controls = distances
    expected = -inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1])
    assert partial_spearman(a, b, *controls) == pytest.approx(expected, abs=1e-13)
    # semi-partial: of the target only what belongs to no control is divided away, not the target's share of them
    only = np.linalg.inv(np.corrcoef([stats.rankdata(each) for each in (a, *controls)]))[0, 0]
    kept_b = np.linalg.inv(np.corrcoef([stats.rankdata(each) for each in (b, *controls)]))[0, 0]
    assert semipartial_spearman(a, b, *controls) == pytest.approx(expected / np.sqrt(kept_b), abs=1e-13)
    assert only > 1


@pytest.mark.parametrize("measure", MEASURES)
def test_a_stretch_of_the_target_and_a_repeated_control_change_nothing(measure: str) -> None:
    a, b, c = drawn(3)
    controls = [c] if measure in ("residual", "semipartial", "partial") else []
    value = score(measure, a, b, controls)
    assert score(measure, a, np.exp(b), controls) == pytest.approx(value, abs=1e-14)
    assert score(measure, a * 3 + 1, b, [each * 2 - 5 for each in controls]) == pytest.approx(value, abs=1e-12)
    assert score(measure, a, b, controls * 2) == pytest.approx(value, abs=1e-12)
    many = prepare(measure, a, controls).of(np.stack([ranks(b), ranks(-b), ranks(c)]))
    assert many[0] == pytest.approx(value, abs=1e-15) and many[1] == pytest.approx(-value, abs=1e-15)


def test_what_cannot_be_measured_is_said() -> None:
    a, b, c = drawn(3)
    for measure, model, controls, said in (
        ("pearson", a, [], "unknown measure 'pearson'; known: spearman, rho-a"),
        ("partial", a, [], "needs a control"),
        ("spearman", a, [c], "uses no controls"),
        ("spearman", a * 0, [], "all distances are the same"),
        ("partial", a, [c * 0], "control 1: all distances are the same"),
        ("residual", 2 * b - 3 * c + 1, [b, c], "nothing of it is left"),
        ("partial", np.exp(c), [c], "nothing of it is left"),
    ):
        with pytest.raises(UserError, match=said):
            prepare(measure, model, controls)
    assert np.isnan(partial_spearman(a, c, c))
