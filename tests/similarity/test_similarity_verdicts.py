"""Verdicts both ways, on rows made for them."""

import dataclasses

import pytest

from probing_vlp.similarity.report import verdicts
from probing_vlp.similarity.study.rows import Row, Rows, adjusted, to_csv

PLACE = {"subset": "all", "target": "norms", "layer_mode": "fixed"}


def difference(low: float, high: float, p: float = 0.01, versus: str = "model:b", model: str = "a") -> Row:
    return Row(
        model=model, condition="neutral", measure="difference", versus=versus, rho=(low + high) / 2, ci_low=low,
        ci_high=high, p=p, p_holm=p, **PLACE,
    )  # fmt: skip


def spearman(condition: str, trained: bool, rho: float) -> Row:
    return Row(model="a", condition=condition, rho=rho, ci_low=rho - 0.1, ci_high=rho + 0.1, trained=trained, **PLACE)


@pytest.mark.parametrize(
    ("rows", "word", "start"),
    [
        ([difference(0.1, 0.2)], "helped", "Training on images brought a nearer"),
        ([difference(-0.2, -0.1)], "hurt", "Training on images took a further"),
        ([difference(-0.1, 0.2, 0.4)], "no difference seen", "No difference is seen"),
        (
            [difference(0.1, 0.2, 0.3)],
            "no difference seen",
            "No difference is seen",
        ),  # the interval alone is not enough
        ([difference(0.1, 0.2), difference(-0.2, -0.1)], "mixed", "Images helped and hurt"),
        ([difference(0.1, 0.2), difference(-0.1, 0.2, 0.4)], "helped", "Training on images brought"),
    ],
)
def test_images(rows: list[Row], word: str, start: str) -> None:
    judged = verdicts.images(Rows(rows), {"a": "b"}, "all", "fixed")
    assert [one.word for one in judged] == [word]
    assert verdicts.headline(judged).startswith(start)
    assert verdicts.images_says(judged[0])[0].endswith(".")


def test_a_difference_is_found_from_either_side() -> None:
    rows = Rows([difference(0.1, 0.3)])
    (turned,) = rows.differences("b", "a", target="norms")
    assert (turned.rho, turned.ci_low, turned.ci_high) == (-0.2, -0.3, -0.1)
    assert verdicts.images(rows, {"b": "a"}, "all", "fixed")[0].word == "hurt"


def test_without_a_pair_there_is_a_question() -> None:
    assert verdicts.images(Rows([]), {"a": "b"}, "all", "fixed") == []
    assert verdicts.headline([]).endswith("?")


def test_templates_alone() -> None:
    share = Row(model="a", condition="caption-like", measure="share", rho=0.75, ci_low=0.5, ci_high=1.0, **PLACE)
    rows = Rows([spearman("caption-like", True, 0.4), spearman("caption-like", False, 0.3), share])
    (said,) = verdicts.templates_says(rows, ["a"], ["norms"], "all", "fixed")
    assert "untrained a ρ = 0.300 (0.200 to 0.400) with norms: 75.0 % (50 to 100) of the trained one’s 0.400" in said
    (without,) = verdicts.templates_says(Rows(list(rows)[:2]), ["a"], ["norms"], "all", "fixed")
    assert "%" not in without
    assert verdicts.templates_says(Rows([]), ["a"], ["norms"], "all", "fixed") == []


def test_above_the_twin() -> None:
    above, level = difference(0.1, 0.2, versus="untrained"), difference(-0.1, 0.2, 0.5, versus="untrained")
    (said,) = verdicts.twins_says(Rows([above, above]), ["a"], "all", "fixed")
    assert "everywhere (2 of 2" in said
    (said,) = verdicts.twins_says(Rows([above, level]), ["a"], "all", "fixed")
    assert "in 1 of 2 comparisons" in said and "no difference seen" in said


def test_holm_by_family() -> None:
    # 0.01 * 2 = 0.02, then max(0.02, 0.04 * 1); the row of another target is a family of its own
    rows = [difference(0, 1, 0.01), difference(0, 1, 0.04), dataclasses.replace(difference(0, 1, 0.03), target="other")]
    assert [row.p_holm for row in adjusted(rows)] == pytest.approx([0.02, 0.04, 0.03])


def test_too_few_draws_are_noticed() -> None:
    rows = Rows([difference(0, 1), difference(0, 1, versus="model:c"), difference(0, 1, versus="untrained")])
    assert verdicts.least_p(rows, 99) == pytest.approx(2 * 2 / 100)


def test_missing_numbers_are_empty_cells() -> None:
    lines = to_csv([Row(model="a", trained=False)]).decode().splitlines()
    assert lines[0].startswith("model,condition,layer_mode,layers,subset,target,measure,versus,rho,ci_low")
    assert lines[1] == "a,,,,all,,spearman,,,,,,,0,0,,false,"
