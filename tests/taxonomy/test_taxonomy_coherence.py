"""Visual coherence: the published definition, the centred one, intervals and files."""

import math
from pathlib import Path

import numpy as np
import pytest

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.model.coherence import (
    CoherenceConfig,
    coherence_of_file,
    coherences,
    interval_of,
    mean_cosine,
    run,
)


def test_three_vectors_by_hand() -> None:
    # (3, 0), (0, 2), (1, 1): cosines 0, 1/sqrt 2, 1/sqrt 2
    names, vectors = ["a", "b", "c"], np.array([[3.0, 0], [0, 2], [1, 1]])
    (found,) = coherences(names, vectors, [(name, "thing") for name in names])
    assert found.n == 3
    assert found.coherence == pytest.approx(math.sqrt(2) / 3)
    # mean (4/3, 1); less it (5/3, -1), (-4/3, 1), (-1/3, 0); |.|^2 = 34/9, 25/9, 1/9
    # dots: -20/9 - 1 = -29/9; -5/9; 4/9, over sqrt 34 * 5 / 9, sqrt 34 / 9, 5 / 9
    expected = (-29 / (5 * math.sqrt(34)) - 5 / math.sqrt(34) + 4 / 5) / 3
    assert found.centred == pytest.approx(expected)


def test_the_sum_is_the_mean_of_the_upper_triangle() -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 7)) + 1
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert mean_cosine(units) == pytest.approx((units @ units.T)[np.triu_indices(40, 1)].mean())
    low, high = interval_of(units, np.random.default_rng(1))
    assert low < mean_cosine(units) < high


def test_a_copy_of_an_image_is_no_pair() -> None:
    """Two directions at right angles and one between: no draw may exceed the greatest cosine of distinct images."""
    units = np.array([[1.0, 0], [0, 1], [math.sqrt(0.5), math.sqrt(0.5)]])
    low, high = interval_of(units, np.random.default_rng(0))
    assert low == pytest.approx(0, abs=1e-6) and high == pytest.approx(math.sqrt(0.5))


def test_few_images_and_odd_ones() -> None:
    names, vectors = ["a", "b"], np.array([[1.0, 0], [1, 1]])
    one, two = coherences(names, vectors, [("a", "one"), ("a", "two"), ("b", "two"), ("b", "two")])
    assert (one.label, one.n) == ("one", 1) and math.isnan(one.coherence) and one.row()["coherence"] == ""
    assert two.n == 2 and two.coherence == pytest.approx(math.sqrt(0.5)) and math.isnan(two.interval[0])
    assert two.centred == pytest.approx(-1)
    with pytest.raises(UserError, match="b: its vector is zero"):
        coherences(names, np.array([[1.0, 0], [0, 0]]), [("a", "x")])


def test_neither_order_nor_scale_matters() -> None:
    generator = np.random.default_rng(2)
    names, vectors = [f"i{n:02}" for n in range(20)], generator.normal(size=(20, 4))
    labels = [(name, label) for name in names for label in ("x", "y") if generator.random() < 0.7]
    found = coherences(names, vectors, labels)
    order = generator.permutation(20)
    turned = coherences([names[i] for i in order], vectors[order], labels[::-1])
    for one, other in zip(found, turned, strict=True):
        assert one.row() == other.row()
    scaled = coherences(names, vectors * generator.uniform(1, 9, (20, 1)), labels)
    assert [each.coherence for each in scaled] == pytest.approx([each.coherence for each in found])


def test_two_images_have_no_interval_to_print(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(CoherenceConfig(*write(tmp_path, "name,label\na,x\nb,x\n", **ARRAYS)))
    assert "nan" not in capsys.readouterr().out


def write(folder: Path, labels: str, **arrays: np.ndarray) -> tuple[Path, Path]:
    np.savez(folder / "v.npz", **arrays)
    (folder / "l.csv").write_text(labels)
    return folder / "v.npz", folder / "l.csv"


ARRAYS = {"names": np.array(["a", "b", "c"]), "vectors": np.array([[3.0, 0], [0, 2], [1, 1]], np.float32)}


def test_files_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors, labels = write(tmp_path, "name,label\na,thing\nb,thing\nc,thing\nc,other\n", **ARRAYS)
    other, thing = coherence_of_file(vectors, labels)
    assert (other.n, thing.n) == (1, 3) and thing.coherence == pytest.approx(math.sqrt(2) / 3)
    run(CoherenceConfig(vectors, labels, tmp_path / "out.csv"))
    assert "mean of 1 labels: coherence 0.4714" in capsys.readouterr().out
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "label,n,coherence,coherence_low,coherence_high,centred,centred_low,centred_high"
    assert lines[1] == "other,1,,,,,," and float(lines[2].split(",")[2]) == pytest.approx(math.sqrt(2) / 3, abs=1e-12)
    tokens = np.stack([ARRAYS["vectors"] + 1, ARRAYS["vectors"] - 1], 1)  # their mean is the vector
    assert coherence_of_file(*write(tmp_path, labels.read_text(), **{**ARRAYS, "vectors": tokens}))[1] == thing


@pytest.mark.parametrize(
    ("labels", "arrays", "said"),
    [
        ("name,label\nd,x\n", {}, "l.csv: 1 name(s) without a vector in"),
        ("name;label\na;x\n", {}, "l.csv, line 1: has no columns name and label; it has name;label"),
        ("name,label\na\n", {}, "l.csv, row 2: needs a name and a label"),
        ("name,label\n", {}, "l.csv: a header and no labels"),
        ("name,label\na,x\n", {"names": np.array(["a", "a", "c"])}, "v.npz: a stands there twice"),
        ("name,label\na,x\n", {"names": np.array(["a", "b"])}, "v.npz: 2 names, but vectors of shape (3, 2)"),
        ("name,label\na,x\n", {"vectors": np.zeros((3, 0, 2))}, "v.npz: 3 names, but vectors of shape (3, 0, 2)"),
        ("name,label\na,x\n", {"vectors": None}, "v.npz: "),
    ],
)
def test_bad_files_are_said_in_one_line(tmp_path: Path, labels: str, arrays: dict[str, np.ndarray], said: str) -> None:
    kept = {key: value for key, value in {**ARRAYS, **arrays}.items() if value is not None}
    with pytest.raises(UserError) as error:
        coherence_of_file(*write(tmp_path, labels, **kept))
    assert str(error.value).startswith(str(tmp_path / said)) and "\n" not in str(error.value)
    with pytest.raises(UserError, match=r"absent.npz: no such file of vectors"):
        coherence_of_file(tmp_path / "absent.npz", tmp_path / "l.csv")
