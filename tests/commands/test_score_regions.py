"""`probe.py score` with a region model: any caption file, any region file, images that no data set knows."""

import json
from pathlib import Path

import pytest
from region_files import detected, lxmert_tsv, rosita_npz
from two_streams import save_lxmert

from probing_vlp.commands.score import ScoreConfig, score
from probing_vlp.data.regions import open_regions
from probing_vlp.data.visuals import DataConfig
from probing_vlp.dump import read_dump
from probing_vlp.errors import UserError
from probing_vlp.records import Image
from probing_vlp.scorers import load_scorer

CAPTIONS = ("a dog on a mat", "two shirts on the snow", "a dog on a mat")


@pytest.mark.parametrize("write", [lxmert_tsv, rosita_npz])
def test_coco_results_and_published_features(write: object, tmp_path: Path) -> None:
    images = detected(3, width=2048)
    assert callable(write)
    regions = write(tmp_path / ("r.tsv" if write is lxmert_tsv else "npz"), images)
    options = {"lxmert": {key: str(path) for key, path in save_lxmert(tmp_path).items()}}
    results = [{"image_id": d.image.image_id, "caption": text} for d, text in zip(images, CAPTIONS, strict=True)]
    (tmp_path / "results.json").write_text(json.dumps(results))
    given = ScoreConfig(str(tmp_path / "results.json"), ["lxmert"], options=options)

    score(ScoreConfig(given.dump, given.scorers, data=DataConfig(regions=str(regions)), options=options))
    written = [record.scores["lxmert"] for record in read_dump(tmp_path / "results.jsonl").records]
    opened = open_regions(regions)
    scorer = load_scorer("lxmert", **options["lxmert"])
    encoded = scorer.encode([opened.get(Image(d.image.image_id, "", "")) for d in images])
    assert written == pytest.approx(scorer.score(encoded, CAPTIONS).tolist(), abs=1e-6)

    by_scorer = {"lxmert": {**options["lxmert"], "region_file": str(regions)}}  # each model has its own detector
    score(ScoreConfig(given.dump, given.scorers, str(tmp_path / "again.jsonl"), options=by_scorer))
    again = [record.scores["lxmert"] for record in read_dump(tmp_path / "again.jsonl").records]
    assert again == written


def test_an_image_without_regions_is_named(tmp_path: Path) -> None:
    regions = lxmert_tsv(tmp_path / "r.tsv", detected(2, width=2048))
    options = {"lxmert": {key: str(path) for key, path in save_lxmert(tmp_path).items()}}
    (tmp_path / "results.json").write_text(json.dumps([{"image_id": 7777, "caption": "a dog"}]))
    config = ScoreConfig(
        str(tmp_path / "results.json"), ["lxmert"], data=DataConfig(regions=str(regions)), options=options
    )
    with pytest.raises(UserError, match=r"no regions of 1 of 1 image\(s\): no name \(7777\)"):
        score(config)
    assert not (tmp_path / "results.jsonl").exists()


def test_the_last_line_counts_what_could_not_be_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    regions = lxmert_tsv(tmp_path / "r.tsv", detected(3, width=2048))
    options = {"lxmert": {key: str(path) for key, path in save_lxmert(tmp_path).items()}}
    for captions, said in ((("a dog", " ", ""), "; could not be scored: 2 by lxmert"), (CAPTIONS, "")):
        rows = [{"image_id": 42 + i, "caption": caption} for i, caption in enumerate(captions)]
        (tmp_path / "results.json").write_text(json.dumps(rows))
        data = DataConfig(regions=str(regions))
        score(ScoreConfig(str(tmp_path / "results.json"), ["lxmert"], data=data, options=options))
        assert capsys.readouterr().out.splitlines()[-1] == (
            f"3 captions scored by lxmert: {tmp_path / 'results.jsonl'}{said}"
        )


@pytest.mark.parametrize("given", [["a"], {"a": 1}, "", True])
def test_a_region_file_that_is_no_path(given: object, tmp_path: Path) -> None:
    options = {"lxmert": {key: str(path) for key, path in save_lxmert(tmp_path).items()} | {"region_file": given}}
    (tmp_path / "results.json").write_text(json.dumps([{"image_id": 42, "caption": "a dog"}]))
    with pytest.raises(UserError) as caught:
        score(ScoreConfig(str(tmp_path / "results.json"), ["lxmert"], options=options))
    assert str(caught.value) == f"region_file {given!r}: is not a path; give region features, or leave it out"
