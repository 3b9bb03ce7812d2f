"""`probe.py verify` on the embedded photographs with mini-clip: its file, its resumption, and what it refuses."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from programs import Programs

from probing_vlp.commands import verify as verifying
from probing_vlp.commands.verify import VerifyConfig, verify
from probing_vlp.data.embedded import load_embedded
from probing_vlp.data.visuals import DataConfig, open_visuals
from probing_vlp.dump import write_coco_results, write_dump
from probing_vlp.errors import UserError
from probing_vlp.experiments.base import human_cases, make_cases
from probing_vlp.experiments.pairs import Verification, read_verification, write_verification
from probing_vlp.records import CaptionRecord, References
from probing_vlp.scorers import load_scorer
from probing_vlp.scorers.base import TensorEncoded
from probing_vlp.tagging import load_tagger

FEW = ["visual-replaced", "others-replaced", "template-clip", "words-3", "words-7", "shuffled", "other-caption"]
IMAGES = load_embedded().split("test")[:12]
CAPTIONS = load_embedded().captions


def records(count: int = len(IMAGES)) -> list[CaptionRecord]:
    """The second human caption of each image stands for what a captioner wrote."""
    return [CaptionRecord(i.image_id, CAPTIONS[i.image_id][1].lower(), i.file_name) for i in IMAGES[:count]]


def write(folder: Path, found: Sequence[CaptionRecord], name: str = "dump.jsonl") -> str:
    write_dump(folder / name, {"name": "CE", "split": "test"}, found)
    return str(folder / name)


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("dump"), records())


@pytest.fixture(scope="module")
def verified(dump: str, tmp_path_factory: pytest.TempPathFactory) -> Verification:
    out = tmp_path_factory.mktemp("verified")
    verify(VerifyConfig(dump, out=str(out), experiments=FEW))
    return read_verification(out / "verification.jsonl")


class Words(torch.nn.Identity):
    """Counts words; fails when it is asked for the time that LEFT says."""

    name, visual, unit = "words", "references", "logit"
    left = 10**9

    def encode(self, visuals: Sequence[References]) -> TensorEncoded:
        return TensorEncoded(torch.zeros(len(visuals), 1))

    def score(self, encoded: TensorEncoded, captions: Sequence[str]) -> torch.Tensor:
        Words.left -= 1
        if Words.left < 0:
            raise KeyboardInterrupt
        return torch.tensor([float(len(caption.split())) for caption in captions])


def test_the_file_holds_every_pair_with_its_scores(verified: Verification) -> None:
    groups = verified.groups()
    assert list(groups) == [(base, name) for base in ("dump", "human") for name in FEW]
    assert verified.header["template"] == "clip" and verified.header["units"] == {"mini-clip": "cosine"}
    shuffled = groups["human", "shuffled"]
    assert [pair.image_id for pair in shuffled] == [image.image_id for image in IMAGES]
    assert len(verified.header["examples"]) == 3
    for pair in verified.pairs:
        assert pair.original != pair.constructed
        assert all(-1 <= float(by["mini-clip"] or 0) <= 1 for by in (pair.before, pair.after))


def test_the_same_numbers_by_hand(verified: Verification) -> None:
    """Cases, encoding and scoring one experiment at a time, as a notebook would."""
    source = open_visuals(DataConfig())
    scorer = load_scorer("mini-clip", device="cpu")
    encoded = scorer.encode(source.get("features", IMAGES))
    own = make_cases([(r.image_id, r.caption) for r in records()], CAPTIONS, load_tagger())
    for base, cases in (("dump", own), ("human", human_cases(own))):
        pairs = {pair.image_id: pair for pair in verified.groups()[base, "shuffled"]}
        rows = [row for row, case in enumerate(cases) if case.image_id in pairs]
        for side, texts in (
            ("before", [cases[row].caption for row in rows]),
            ("after", [pairs[cases[row].image_id].constructed for row in rows]),
        ):
            wanted = scorer.score(encoded.select(rows), texts).tolist()
            found = [getattr(pairs[cases[row].image_id], side)["mini-clip"] for row in rows]
            assert found == pytest.approx(wanted, abs=1e-6)


def test_an_experiment_alone_gives_the_same_captions(verified: Verification, dump: str, tmp_path: Path) -> None:
    verify(VerifyConfig(dump, out=str(tmp_path), experiments=["shuffled"], base="human"))
    alone = read_verification(tmp_path / "verification.jsonl")
    assert alone.pairs == tuple(verified.groups()["human", "shuffled"])


def test_interrupted_and_resumed(dump: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "CHUNK", 8)
    monkeypatch.setattr("probing_vlp.commands.partial.CHUNK", 8)
    asked = {"scorers": [f"{__name__}:Words"], "experiments": FEW}
    verify(VerifyConfig(dump, out=str(tmp_path / "whole"), **asked))
    monkeypatch.setattr(Words, "left", 3)
    with pytest.raises(KeyboardInterrupt):
        verify(VerifyConfig(dump, out=str(tmp_path / "cut"), **asked))
    assert not (tmp_path / "cut" / "verification.jsonl").exists()
    monkeypatch.setattr(Words, "left", 10**9)
    with pytest.raises(UserError, match="begun with other options"):
        verify(VerifyConfig(dump, out=str(tmp_path / "cut"), resume=True, seed=2, **asked))
    verify(VerifyConfig(dump, out=str(tmp_path / "cut"), resume=True, **asked))
    before = 10**9 - Words.left
    whole, cut = ((tmp_path / name / "verification.jsonl").read_bytes() for name in ("whole", "cut"))
    assert whole == cut and sorted(p.name for p in (tmp_path / "cut").iterdir()) == ["verification.jsonl"]
    distinct = {
        (p.image_id, text)
        for p in read_verification(tmp_path / "cut" / "verification.jsonl").pairs
        for text in (p.original, p.constructed)
    }
    assert before == -(-(len(distinct) - 3 * 8) // 8)  # three chunks of eight were there already


def test_a_whole_one_is_not_scored_again(dump: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"experiments": ["shuffled"], "base": "human", "resume": True}
    config = VerifyConfig(dump, out=str(tmp_path), scorers=["cider"], **asked)
    verify(config)
    kept = (tmp_path / "verification.jsonl").read_bytes()
    scored, score_all = list[str](), verifying.score_all

    def counting(plan: verifying.Plan, *others: Any) -> Any:
        scored.extend(plan.scorers)
        return score_all(plan, *others)

    monkeypatch.setattr(verifying, "score_all", counting)
    verify(config)
    assert scored == [] and (tmp_path / "verification.jsonl").read_bytes() == kept
    verify(replace(config, resume=False))
    verify(replace(config, seed=2))  # other options, though under the same name
    verify(replace(config, scorers=[f"{__name__}:Words"]))
    verify(replace(config, scorers=[f"{__name__}:Words"]))  # a user's own, whose code may have changed
    assert scored == ["cider", "cider", own := f"{__name__}:Words", own]


def test_the_users_template_and_examples(dump: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = [IMAGES[2].image_id, IMAGES[5].image_id, IMAGES[7].image_id]
    config = VerifyConfig(
        dump, out=str(tmp_path), experiments=["words-3", "repeated"], template="NOUN (by NOUN)*", base="dump"
    )
    config.examples = chosen
    verify(config)
    found = read_verification(tmp_path / "verification.jsonl")
    assert all(pair.constructed.split()[1::2] == ["by", "by"] for pair in found.groups()["dump", "words-3"])
    said = capsys.readouterr().out
    assert [int(line.split()[1]) for line in said.splitlines() if line.startswith("image ")] == chosen


@pytest.mark.parametrize(
    ("caption", "said"),
    [("", "1 of 3 captions are empty"), ("...", "no English word"), ("一只猫坐在沙发上", "no English word")],
)
def test_captions_that_say_nothing_in_english(caption: str, said: str, tmp_path: Path) -> None:
    path = write(tmp_path, [*records(2), CaptionRecord(IMAGES[2].image_id, caption)])
    with pytest.raises(UserError, match=said) as refused:
        verify(VerifyConfig(path, out=str(tmp_path / "out")))
    assert f"image {IMAGES[2].image_id}" in str(refused.value) and not (tmp_path / "out").exists()
    verify(VerifyConfig(path, out=str(tmp_path / "out"), experiments=["repeated"], base="human"))  # they do not matter


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"experiments": ["shufled"]}, "unknown experiment 'shufled'; did you mean shuffled"),
        ({"experiments": []}, "nothing to verify"),
        ({"scorers": ["mini-clop"]}, "unknown scorer 'mini-clop'; did you mean mini-clip"),
        ({"template": "a photo"}, "has no slot"),
        ({"examples": [5]}, "--examples 5"),
        ({"options": {"clip": {}}}, "options for 'clip'"),
        ({"scorers": ["toy_scorers:Brightness"]}, "give --data.images FOLDER"),
    ],
)
def test_bad_options(change: dict[str, Any], said: str, dump: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        verify(VerifyConfig(dump, **{"out": str(tmp_path / "out"), **change}))
    assert not (tmp_path / "out").exists()


def test_images_twice_unknown_and_none(tmp_path: Path) -> None:
    first = records(1)
    for found, said in (
        (first * 2, f"image {IMAGES[0].image_id} has 2 captions"),
        ([*first, CaptionRecord(5, "a dog")], "image 5 is not in the data embedded; give its data with --data.source"),
        ([], "holds no captions"),
    ):
        with pytest.raises(UserError, match=said):
            verify(VerifyConfig(write(tmp_path, found)))


def test_the_command_on_coco_results(programs: Programs, tmp_path: Path) -> None:
    write_coco_results(tmp_path / "results.json", records(4))
    words = ["--dump", tmp_path / "results.json", "--scorer", "mini-clip", "--experiments", "shuffled", "negated"]
    ended = programs.run("probe.py", "verify", *words, "--base", "dump").succeeded()
    found = read_verification(tmp_path / "verification" / "verification.jsonl")
    assert list(found.groups()) == [("dump", "shuffled"), ("dump", "negated")] and "dump/negated" in ended.out
    (tmp_path / "results.json").write_text(json.dumps([{"image_id": 5, "caption": "a dog"}]))
    bad = programs.run("probe.py", "verify", *words)
    assert bad.code == 2 and bad.err.startswith("error: ") and bad.err.count("\n") == 1


def test_a_file_that_was_cut_or_is_foreign(verified: Verification, tmp_path: Path) -> None:
    path = tmp_path / "verification.jsonl"
    write_verification(path, {k: v for k, v in verified.header.items() if k != "count"}, verified.pairs)
    assert read_verification(path).pairs == verified.pairs
    lines = path.read_text().splitlines()
    for text, said in (
        ("\n".join(lines[:3]), f"ends after 2 of {len(lines) - 1} pairs"),
        ("\n".join([*lines[:-1], lines[-1][:30]]), f"line {len(lines)}: not JSON"),
        ("\n".join([*lines[:-1], "{}"]), f"line {len(lines)}: not a pair"),
        ("\n".join([*lines[:-1], lines[-1].replace('{"mini-clip": ', '{"mini-clip": "x", "y": ')]), "a score must be"),
        ('{"format": "caption-dump", "version": 1}', "line 1: no"),
        ('{"format": "verification", "version": 1}', "line 1: scorers, experiments and bases"),
        ("[]", "expected a JSON object"),
        ("\n", "not JSON"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=said):
            read_verification(path)
    with pytest.raises(UserError, match="no such verification file; make it with"):
        read_verification(tmp_path / "none.jsonl")


def test_words_that_captions_took_to(tmp_path: Path) -> None:
    rows = [
        {"name": "drift:prefix", "model": "CE", "note": '"no" begins'},
        {"name": "drift:prefix", "model": "x", "note": '"a picture of" begins captions of x 90%'},
        {"name": "drift:connective", "model": "x", "note": "unavailable: nothing"},
    ]
    path = tmp_path / "drift.json"
    path.write_text(json.dumps(rows))
    found = verifying.with_found_words(VerifyConfig("d", drift=str(path)))
    assert (found.prefix, found.connective) == ("a picture of", "")
    asked = verifying.with_found_words(VerifyConfig("d", drift=str(path), prefix="of a", connective="but"))
    assert (asked.prefix, asked.connective) == ("of a", "but")


@pytest.mark.parametrize("text", ["[]", "{}", "no", '[{"name": "length", "model": "x", "note": ""}]'])
def test_rows_that_are_none_of_drift(text: str, tmp_path: Path) -> None:
    path = tmp_path / "drift.json"
    path.write_text(text)
    with pytest.raises(UserError, match="not rows of drift; make it with: python -m analysis drift"):
        verifying.with_found_words(VerifyConfig("d", drift=str(path)))
