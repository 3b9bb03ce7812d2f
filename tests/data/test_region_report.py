"""What `probe.py regions inspect` says."""

import json
from pathlib import Path

import pytest
import region_files as files
from region_files import detected, spoil

import probe
from probing_vlp.cli import main
from probing_vlp.data import region_report
from probing_vlp.data.regions import open_regions
from probing_vlp.errors import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROBING_VLP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_inspect_says_what_a_file_holds(tmp_path: Path) -> None:
    images = detected(6)
    path = files.lxmert_tsv(tmp_path / "a.tsv", images)
    said = dict(region_report.report(open_regions(path)))
    assert said["format"] == "LXMERT tsv"
    assert said["images"].startswith(f"6, called {images[0].stem}, ")
    assert said["regions"] == "3 to 12 an image, 5.5 on average"  # 5 3 12 5 5 3: 33 / 6
    assert said["features"].startswith("8 wide, float32, from 0 to ")
    assert said["sizes"] == "images 375 to 640 wide, 480 to 500 high"
    assert said["confidence"] == "from 0.05 to 0.9"
    assert said["first"].startswith(f"{images[0].stem}: 640 x 480 pixels, 5 regions, the first at ")
    assert "need 2048" in said["scorers"] and said["problems"] == "none found"
    spoil(path, 3, 9, lambda cell: b"%%%%\r\n")
    said = dict(region_report.report(open_regions(path)))
    assert "line 3" in said["problems"] and "features are not base64" in said["problems"]
    files.lxmert_tsv(path, [*images, images[2]])
    assert "1 name(s) stand there more than once" in dict(region_report.report(open_regions(path)))["problems"]
    assert dict(region_report.report(open_regions(path), sample=2))["read"] == "2 of them, evenly spread"


def test_inspect_of_wide_features_in_shares(tmp_path: Path) -> None:
    path = files.uniter_lmdb(tmp_path, detected(2, width=2048))
    said = dict(region_report.report(open_regions(path)))
    assert said["scorers"] == "uniter, rosita, vilbert, lxmert (made for uniter)"
    assert "shares of the image" in said["boxes"] and "sizes" not in said and said["confidence"] == "none"
    assert said["format"].endswith("regions kept by the writer: feat_th0.2_max100_min10")
    assert "float16" in said["features"]


def test_inspect_of_what_cannot_be_read(tmp_path: Path) -> None:
    path = files.lxmert_tsv(tmp_path / "a.tsv", detected(1))
    spoil(path, 1, 9, lambda cell: b"%%%%\r\n")
    with pytest.raises(UserError, match="line 1"):
        list(region_report.report(open_regions(path)))


def test_inspect_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = files.rosita_npz(tmp_path / "a", detected())
    (tmp_path / "captions_test.json").write_text(
        json.dumps(
            {
                "images": [{"id": i, "file_name": f"COCO_val2014_{i:012d}.jpg"} for i in (42, 43, 99)],
                "annotations": [{"id": i, "image_id": i, "caption": "a"} for i in (42, 43, 99)],
            }
        )
    )

    main("probe.py", "", probe.COMMANDS, ["regions", "inspect", str(path), "--data", str(tmp_path)])
    said = capsys.readouterr().out
    assert "ROSITA npz" in said and "2 of 3 images of" in said and "without: COCO_val2014_000000000099.jpg" in said
    for words in (["regions", "inspect", str(tmp_path / "none")], ["regions", "inspekt"], ["regions", "inspect"]):
        with pytest.raises(SystemExit) as stop:
            main("probe.py", "", probe.COMMANDS, words)
        said = capsys.readouterr().err
        assert stop.value.code == 2 and said.startswith("error: ") and said.count("\n") == 1
    for words in (["regions"], ["regions", "--help"], ["regions", "inspect", "--help"]):
        with pytest.raises(SystemExit) as stop:
            main("probe.py", "", probe.COMMANDS, words)
        assert stop.value.code == 0 and "regions" in capsys.readouterr().out
