"""One suite that every row of SCORERS passes.  A new row needs a case in `make_case`, and nothing else here."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hub_toys import save_blip, save_llava, save_siglip, save_vilt
from one_stream import save_rosita, save_uniter
from region_toys import toy_regions
from scorer_toys import feature_vectors, pictures, references, save_toy_clip, save_toy_mini_clip
from two_streams import save_lxmert, save_vilbert

from probing_vlp.errors import UserError
from probing_vlp.scorers import SCORERS, Scorer, load_scorer
from probing_vlp.scorers.conformance import CHECKS, IMAGES, Subject

HUB = {"siglip": save_siglip, "blip": save_blip, "vilt": save_vilt, "vqa-score": save_llava}
REGIONS = {"uniter": save_uniter, "rosita": save_rosita, "lxmert": save_lxmert, "vilbert": save_vilbert}


class Case(NamedTuple):
    """A scorer, and IMAGES visuals of its kind."""

    scorer: Any
    visuals: Sequence[Any]


def make_case(name: str, folder: Path) -> Case:
    """The case of a row; tiny random weights stand in for trained ones."""
    if name == "cider":
        return Case(load_scorer(name, corpus=references(IMAGES)), references(IMAGES))
    if name.startswith("planted-"):
        lexicon = {"nouns_of": references(IMAGES)} if name == "planted-nouns" else {}
        return Case(load_scorer(name, corpus=references(IMAGES), **lexicon), references(IMAGES))
    if name == "mini-clip":
        return Case(load_scorer(name, checkpoint=save_toy_mini_clip(folder)), feature_vectors(IMAGES))
    if name == "clip":
        config, weights = save_toy_clip(folder)
        return Case(load_scorer(name, checkpoint=weights, config=config), pictures(folder, IMAGES))
    if name in REGIONS:
        return Case(load_scorer(name, **REGIONS[name](folder)), toy_regions()[:IMAGES])
    if name in HUB:
        return Case(load_scorer(name, checkpoint=HUB[name](folder)), pictures(folder, IMAGES))
    pytest.fail(f"scorer '{name}' has no case: add one to make_case")


@pytest.fixture(scope="module", params=SCORERS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(request.param, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance(case: Case, check: Callable[[Subject], None]) -> None:
    check(Subject(case.scorer, case.visuals))


def test_names_are_those_of_the_table(case: Case) -> None:
    assert SCORERS[case.scorer.name]


def test_a_wrong_number_of_captions_is_counted(case: Case) -> None:
    with pytest.raises(ValueError, match="2 captions for 4 encoded images"):
        case.scorer.score(case.scorer.encode(case.visuals), ["a", "b"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minclip", "unknown scorer 'minclip'; did you mean mini-clip"),
        ("clp", "did you mean clip"),
        ("bert", "Known: .*cider, clip, .*mini-clip"),
        ("no.such.module:Scorer", "there is no module no.such.module"),
        ("probing_vlp.scorers.cider:Missing", "has no Missing"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_scorer(name)


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", "meta", 3, ["cpu"]])
def test_a_device_that_cannot_be_used(device: Any) -> None:
    with pytest.raises(UserError) as caught:
        load_scorer("cider", device=device)
    said = str(caught.value)
    assert said.startswith(f"device '{device}' cannot be used (") and "\n" not in said
    assert said.endswith("); give cpu, or cuda where there is a GPU")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checkpoint": ["a"]}, "scorer uniter: checkpoint is ['a'], not a path; give one, or leave it out"),
        ({"checkpoint": {"a": 1}}, "scorer uniter: checkpoint is {'a': 1}, not a path; give one, or leave it out"),
        ({"checkpoint": True}, "scorer uniter: checkpoint is True, not a path; give one, or leave it out"),
        ({"config": ""}, "scorer uniter: config is '', not a path; give one, or leave it out"),
        ({"vocab": ["a"]}, "scorer uniter: vocab is ['a'], not a path; give one, or leave it out"),
        ({"score": ["match"]}, "scorer uniter: score is ['match']; it must be a text"),
        ({"dtype": 32}, "scorer uniter: dtype is 32; it must be a text"),
        ({"regions": True}, "scorer uniter: regions is True; it must be a whole number"),
        ({"trust_pickle": "maybe"}, "scorer uniter: trust_pickle is 'maybe'; it must be true or false"),
        ({"trust_pickle": 1}, "scorer uniter: trust_pickle is 1; it must be true or false"),
        ({"checkpoint": 3}, "3: no such checkpoint; give the published file as the option checkpoint"),
    ],
)
def test_options_of_another_type(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_scorer("uniter", **{**save_uniter(tmp_path), **options})
    assert str(caught.value) == message


def test_a_path_of_digits_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = save_uniter(tmp_path)
    files["config"].rename(tmp_path / "3")
    monkeypatch.chdir(tmp_path)
    assert load_scorer("uniter", **{**files, "config": 3}).name == "uniter"


def test_a_class_of_ones_own_needs_no_row() -> None:
    scorer = load_scorer("probing_vlp.scorers.cider:CiderScorer", corpus=references(2), end=False)
    assert isinstance(scorer, Scorer)


def test_cider_counts_the_end_of_captions_that_ended() -> None:
    scorer: Any = load_scorer("cider", corpus=references(3))
    encoded = scorer.encode(references(3)).select([1, 1, 1])
    whole, cut, default = scorer.score(encoded, ["a dog on mat 1"] * 3, ended=[True, False, True]).tolist()
    assert whole == default > cut
    silent: Any = load_scorer("cider", corpus=references(3), end=False)
    assert scorer.counts_end and not silent.counts_end


def test_cider_frequencies_from_a_data_source(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    rows = ["file_name,split,caption"]
    for i, split in enumerate(["train", "train", "val"]):
        (tmp_path / "images" / f"{i}.jpg").touch()
        rows += [f"{i}.jpg,{split},a dog on mat {i}", f"{i}.jpg,{split},number {i} is a cat"]
    (tmp_path / "captions.csv").write_text("\n".join(rows) + "\n")
    scorer = load_scorer("cider", corpus=f"{tmp_path / 'images'},{tmp_path / 'captions.csv'}")
    same = load_scorer("cider", corpus=references(2))  # the train split: images 0 and 1
    captions = ["a dog on mat 2", "number 0 is a mat"]
    scores = [s.score(s.encode(references(3)).select([2, 0]), captions).tolist() for s in (scorer, same)]
    assert scores[0] == scores[1]
