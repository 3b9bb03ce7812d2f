"""Metrics and chance lines: numbers derived by hand, odd labels, concepts without a positive, the command."""

import json

import numpy as np
import pandas as pd
import pytest

from probe import COMMANDS
from probing_vlp.cli import main
from probing_vlp.errors import UserError
from probing_vlp.taxonomy.answers import aggregates, chance, metrics, metrics_command, outcomes
from probing_vlp.taxonomy.answers.metrics_command import MetricsConfig

FIRST = [[3, 1], [2, 4]]
"""Gold No: 3 No, 1 Yes; gold Yes: 2 No, 4 Yes.  F1(No) = 6/9, F1(Yes) = 8/11."""


def frame(rows: str, columns: str = "concept gold prediction") -> pd.DataFrame:
    """A frame of items from lines of words."""
    lines = [line.split() for line in rows.strip().splitlines()]
    return pd.DataFrame(lines, columns=columns.split()).astype("category")


def test_the_metrics_of_one_table():
    table = np.array(FIRST)
    assert metrics.accuracy(table) == 7 / 10
    assert metrics.f1(table) == pytest.approx([6 / 9, 8 / 11])
    assert metrics.macro_f1(table) == pytest.approx((6 / 9 + 8 / 11) / 2)
    assert metrics.weighted_f1(table) == pytest.approx(0.4 * 6 / 9 + 0.6 * 8 / 11)


def test_macro_f1_is_the_mean_over_labels_that_occur():
    nothing_said = np.array([[5, 0], [0, 0]])  # no positive, no "yes": one label, and it is right
    one_false_yes = np.array([[4, 1], [0, 0]])  # F1(No) = 8/9, F1(Yes) = 0
    all_wrong = np.array([[0, 5], [0, 0]])
    three = np.array([[2, 0, 0], [0, 1, 1], [0, 0, 0]])  # F1 = 1, 2/3, 0: "illegal" is only ever said
    assert metrics.macro_f1(nothing_said) == 1
    assert metrics.macro_f1(one_false_yes) == pytest.approx(4 / 9)
    assert metrics.weighted_f1(one_false_yes) == pytest.approx(8 / 9)
    assert metrics.macro_f1(all_wrong) == 0
    assert metrics.macro_f1(three) == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert np.isnan(metrics.macro_f1(np.zeros((2, 2), int)))


def test_many_tables_are_measured_as_one_at_a_time():
    random = np.random.default_rng(1).integers(0, 5, (7, 3, 2, 2))
    for metric in (metrics.accuracy, metrics.macro_f1, metrics.weighted_f1, chance.blind_macro_f1):
        one = [[metric(random[i, j]) for j in range(3)] for i in range(7)]
        assert metric(random) == pytest.approx(np.array(one), nan_ok=True)


def test_the_majority_line():
    # the paper's test: 702 of 829 questions on animals are Yes, 21 of 171 on body parts
    for yes, n in ((702, 829), (21, 171)):
        table = np.array([[n - yes, 0], [0, yes]])
        p = max(yes, n - yes) / n
        assert chance.majority_macro_f1(table) == pytest.approx(p / (1 + p))
        assert chance.majority_weighted_f1(table) == pytest.approx(2 * p * p / (1 + p))
    even = np.array([[0, 3], [3, 0]])
    assert chance.majority_macro_f1(even) == pytest.approx(1 / 3)
    single = np.array([[4, 1], [0, 0]])
    assert chance.single_class(single)
    assert chance.majority_macro_f1(single) == 1
    assert chance.majority_macro_f1(np.diag([2, 1, 1])) == pytest.approx(2 * 0.5 / 1.5 / 3)


def test_the_blind_line_is_the_mean_over_all_orders_of_the_answers():
    # gold Yes Yes No; said Yes No No in its 3 orders: No at one of three places is right twice, wrong with two
    gold, orders = [1, 1, 0], ([1, 0, 0], [0, 1, 0], [0, 0, 1])
    answers = [pd.DataFrame({"gold": list(map(str, gold)), "prediction": list(map(str, said))}) for said in orders]
    tables = [metrics.count(one, []) for one in answers]
    expected = np.mean([metrics.macro_f1(table.confusion[0]) for table in tables])
    assert chance.blind_macro_f1(tables[0].confusion[0]) == pytest.approx(expected)
    coin = np.array([[25, 25], [25, 25]])
    assert chance.blind_macro_f1(coin) == pytest.approx(0.5)
    assert metrics.macro_f1(coin) == pytest.approx(0.5)  # far above the majority line of 1/3, not above this one


def test_items_are_counted_whatever_their_order():
    rows = "dog Yes Yes\ndog No Yes\ncat No No\ndog Yes No\ncat No No"
    counts = metrics.count(frame(rows), ["concept"])
    shuffled = metrics.count(frame("\n".join(reversed(rows.split("\n")))), ["concept"])
    assert counts.labels == ("No", "Yes")
    assert counts.keys["concept"].tolist() == ["cat", "dog"]
    assert counts.confusion.tolist() == [[[2, 0], [0, 0]], [[0, 1], [1, 1]]]
    assert (shuffled.confusion == counts.confusion).all()
    assert counts.pooled([]).confusion.tolist() == [[[2, 1], [1, 1]]]


def test_labels_are_kept_as_they_are_spelled():
    counts = metrics.count(frame("x True 1\nx False True\nx True True"), ["concept"])
    assert counts.labels == ("1", "False", "True")
    assert metrics.accuracy(counts.confusion)[0] == pytest.approx(1 / 3)
    # F1(1) = 0, F1(False) = 0, F1(True) = 2/(2 + 2)
    assert metrics.macro_f1(counts.confusion)[0] == pytest.approx(0.5 / 3)
    assert metrics.positive_labels(counts.labels) == ["1", "True"]
    assert metrics.alike(("Yes", "no", "yes ")) == ["Yes", "yes "]
    assert metrics.positive_labels(("ja", "nein")) == []
    assert metrics.positive_labels(("ja", "nein"), "ja") == ["ja"]
    with pytest.raises(UserError, match="--positive oui: no such label; the file has 'ja', 'nein'"):
        metrics.positive_labels(("ja", "nein"), "oui")


def test_a_concept_has_its_table_line():
    counts = metrics.count(frame("x Yes Yes\nx Yes No\nx No No\ny No No"), ["concept"])
    x, y = outcomes.concept_table(counts, ["Yes"]).to_dict("records")
    assert (x["n"], x["n_pos"], x["Yes>No"], y["n_pos"]) == (3, 2, 1, 0)
    assert x["macro_f1"] == pytest.approx(2 / 3)  # both F1 are 2/3
    assert x["chance_macro_f1"] == pytest.approx((2 / 3) / (5 / 3))
    assert not x["single_class"]
    assert y["single_class"]
    assert (y["macro_f1"], y["chance_macro_f1"]) == (1, 1)


def test_units_are_concepts_in_runs_and_pools_are_of_one_run():
    # run 1: x right, right; y right, wrong -> macro-F1 1 and 1/3 (F1(No) = 2/3, F1(Yes) = 0); run 2: all right
    items = frame(
        "1 x Yes Yes\n1 x No No\n1 y Yes No\n1 y No No\n2 x Yes Yes\n2 x No No\n2 y Yes Yes\n2 y No No",
        "seed concept gold prediction",
    )
    counts = outcomes.count_units(items, [])
    found = {row.metric: row for row in aggregates.aggregate(counts, [], ["Yes"])}
    assert found["macro_f1"].value == pytest.approx((1 + 1 / 3 + 1 + 1) / 4)
    assert (found["macro_f1"].n, found["macro_f1"].concepts) == (4, 2)
    assert found["accuracy"].value == 7 / 8
    # pooled, run 1: No 2 right of 3 said, Yes 1 right of 1: F1 4/5 and 2/3; run 2: 1
    assert found["pooled_macro_f1"].value == pytest.approx(((4 / 5 + 2 / 3) / 2 + 1) / 2)
    assert found["chance_macro_f1"].value == pytest.approx(1 / 3)
    assert outcomes.default_by(items) == []
    by_seed = aggregates.aggregate(outcomes.count_units(items, ["seed"]), ["seed"], ["Yes"])
    assert {row.group: row.value for row in by_seed if row.metric == "macro_f1"} == {
        ("1",): pytest.approx(2 / 3),
        ("2",): 1,
    }


def test_single_class_and_never_trained_hypernyms_are_told_of_apart():
    items = frame(
        """seen bird Yes Yes
        seen bird No No
        seen food No No
        held-out bird Yes Yes
        held-out bird No No
        held-out food Yes No
        held-out food No No
        held-out tool No No""",
        "test concept gold prediction",
    )
    rows = aggregates.aggregate(outcomes.count_units(items, ["test"]), ["test"], ["Yes"])
    found = {row.metric: row.value for row in rows if row.group == ("held-out",)}
    assert found["macro_f1"] == pytest.approx((1 + 1 / 3 + 1) / 3)
    assert found["macro_f1:two-class"] == pytest.approx((1 + 1 / 3) / 2)
    assert found["macro_f1:never-trained"] == pytest.approx((1 / 3 + 1) / 2)  # food had a No in training, bird a Yes
    assert "macro_f1:never-trained" not in {row.metric for row in rows if row.group == ("seen",)}


def test_conditions_have_a_place_on_the_axis():
    assert outcomes.percent_ablated("full", 53) == ("full", 100)
    assert outcomes.percent_ablated("random-30", 53) == ("random", 30)
    assert outcomes.percent_ablated("systematic-4", 16) == ("systematic", 25)
    assert outcomes.percent_ablated("lm-only", 16) is None
    assert outcomes.random_twin("qwen", ["qwen", "qwen-random", "llama-random"]) == "qwen-random"
    assert outcomes.random_twin("pretrained", ["pretrained", "random"]) == "random"
    assert outcomes.random_twin("pretrained", ["pretrained", "a-random", "b-random"]) is None


def test_the_command_prints_and_writes(tmp_path, capsys):
    (tmp_path / "items.csv").write_text(
        "kind,gold,prediction,note\nx,ja,ja,a\nx,ja,nein,\nx,nein,nein,b\ny,nein,nein,\n"
    )
    options = {"columns": {"concept": "kind"}, "positive": "ja", "out": tmp_path / "out"}
    metrics_command.run(MetricsConfig(tmp_path / "items.csv", **options))
    told = capsys.readouterr().out
    assert "1 concept has a single gold label, and so a chance of 1 (y)" in told
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    found = {line["metric"]: line for line in written["metrics"]}
    assert found["macro_f1"]["value"] == pytest.approx((2 / 3 + 1) / 2)
    assert (found["accuracy"]["n"], found["accuracy"]["paper_low"]) == (4, None)
    assert [line["n_pos"] for line in written["concepts"]] == [2, 0]
    table = pd.read_csv(tmp_path / "out" / "concepts.csv")
    assert table["macro_f1"].tolist() == pytest.approx([2 / 3, 1])
    again = MetricsConfig(tmp_path / "items.csv", **options | {"out": tmp_path / "again"})
    metrics_command.run(again)
    for name in ("metrics.csv", "concepts.csv", "metrics.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


@pytest.mark.parametrize("name", ["metrics.csv", "concepts.csv", "metrics.json"])
def test_all_files_are_written_or_none(tmp_path, name):
    (tmp_path / "items.csv").write_text("concept,gold,prediction\nx,Yes,No\n")
    (tmp_path / "out" / name).mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        metrics_command.run(MetricsConfig(tmp_path / "items.csv", out=tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "/proc/x"], "/proc/x: no folder can be made there"),
        (["--by", "lm"], "--by: no column lm; there are concept, gold, prediction"),
        (["--by", "gold"], "--by gold: concepts are always told apart"),
        (["--positive", "Ja"], "--positive Ja: no such label"),
        (["--seed", "-1"], "--seed -1: must be 0 or more"),
        (["--columns", "{gold: answer}"], "line 1: no column answer (given for gold)"),
    ],
)
def test_a_mistake_ends_in_one_line_and_exit_code_2(tmp_path, capsys, words, said):
    (tmp_path / "items.csv").write_text("concept,gold,prediction\nx,Yes,No\n")
    with pytest.raises(SystemExit) as left:
        main("probe.py", "", COMMANDS, ["taxonomy", "metrics", str(tmp_path / "items.csv"), *words])
    error = capsys.readouterr().err
    assert left.value.code == 2
    assert said in error
    assert error.count("\n") == 1
