"""The caption dump: round trips, COCO results, and every refusal with its line."""

import gzip
import json
import math
from pathlib import Path

import pytest

from probing_vlp.commands.scoring import data_of
from probing_vlp.data.visuals import DataConfig
from probing_vlp.dump import (
    CaptionDump,
    finite_or_none,
    parse_record,
    read_dump,
    record_line,
    write_coco_results,
    write_dump,
)
from probing_vlp.errors import UserError
from probing_vlp.records import CaptionRecord

RECORDS = (
    CaptionRecord(
        42, "a dog on a bench", "42.jpg", ("a", "dog", "on", "a", "bench"), -3.0000001192092896, {"mini-clip": 0.31}
    ),
    CaptionRecord(
        7, "café “naïve” 犬\u2028on a line", "7.jpg", ("café", "犬"), None, {"mini-clip": None, "cider": 1.5}
    ),
    CaptionRecord(900000000001, ""),
)
HEADER = {"name": "ce", "split": "test", "seed": 3, "decoding": {"method": "beam", "beam": 5}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_dump(tmp_path / "test.jsonl", HEADER, RECORDS)
    return tmp_path / "test.jsonl"


@pytest.mark.parametrize("name", ["d.jsonl", "d.jsonl.gz", "deep/er/d.jsonl"])
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    write_dump(tmp_path / name, HEADER, RECORDS)
    dump = read_dump(tmp_path / name)
    assert dump.records == RECORDS
    assert (dump.name, dump.path) == ("ce", tmp_path / name)
    assert dict(dump.header) == {"format": "caption-dump", "version": 1, **HEADER, "count": 3}
    assert read_dump(tmp_path / name, name="mine").name == "mine"


def test_the_first_line_is_the_header_and_each_other_a_record(path: Path) -> None:
    header, *rows = map(json.loads, path.read_bytes().decode().splitlines()[:2])
    assert header["format"] == "caption-dump" and header["count"] == 3
    assert rows[0] == {
        "image_id": 42,
        "file_name": "42.jpg",
        "caption": "a dog on a bench",
        "tokens": ["a", "dog", "on", "a", "bench"],
        "logprob": -3.0000001192092896,
        "scores": {"mini-clip": 0.31},
    }


@pytest.mark.parametrize("name", ["d.jsonl", "d.json"])
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path, name: str) -> None:
    write_dump(tmp_path / name, HEADER, RECORDS)
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + (tmp_path / name).read_bytes())
    assert [record.caption for record in read_dump(tmp_path / name).records] == [each.caption for each in RECORDS]


def test_letters_are_written_as_they_are(path: Path) -> None:
    assert "café “naïve” 犬" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["d.jsonl", "d.jsonl.gz"])
def test_the_same_captions_give_the_same_bytes(tmp_path: Path, name: str) -> None:
    for folder in ("a", "b"):
        write_dump(tmp_path / folder / name, HEADER, RECORDS)
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_no_captions(tmp_path: Path) -> None:
    write_dump(tmp_path / "d.jsonl", {}, ())
    assert read_dump(tmp_path / "d.jsonl").records == ()


def test_a_name_that_the_header_lacks_is_the_files(tmp_path: Path) -> None:
    write_dump(tmp_path / "test.beam5.jsonl.gz", {}, RECORDS)
    assert read_dump(tmp_path / "test.beam5.jsonl.gz").name == "test"


def test_coco_results_are_read_and_written(tmp_path: Path) -> None:
    write_coco_results(tmp_path / "results.json", RECORDS)
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))[0] == {
        "image_id": 42,
        "caption": "a dog on a bench",
    }
    dump = read_dump(tmp_path / "results.json")
    assert (dump.name, dump.header) == ("results", {})
    assert dump.records == tuple(CaptionRecord(r.image_id, r.caption) for r in RECORDS)


def test_gzip_is_known_by_its_bytes_not_by_its_name(tmp_path: Path, path: Path) -> None:
    (tmp_path / "other.jsonl").write_bytes(gzip.compress(path.read_bytes()))
    assert read_dump(tmp_path / "other.jsonl").records == RECORDS


def test_a_score_that_is_no_number_is_none() -> None:
    assert [finite_or_none(x) for x in (1.5, math.nan, math.inf)] == [1.5, None, None]


def test_a_record_is_read_from_its_line() -> None:
    for record in RECORDS:
        assert parse_record(Path("x"), 2, record_line(record)) == record
    assert parse_record(Path("x"), 2, '{"image_id": 1, "caption": "a"}') == CaptionRecord(1, "a")


def test_cut_anywhere_it_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for size in range(len(whole) - 1):  # the last byte is the end of the last line, and nothing is lost with it
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"test\.jsonl(, line [1-4]:|: cut or not a text file)"):
            read_dump(path)


def test_gzip_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl.gz"
    write_dump(path, HEADER, RECORDS)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"d\.jsonl\.gz(, line 1:|: cut or not a text file)"):
            read_dump(path)


def line_of(content: list[object]) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in content)


HEAD = {"format": "caption-dump", "version": 1, "count": 2}
GOOD = {"image_id": 1, "caption": "a"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: not JSON"),
        ("a dog\n", "line 1: not JSON (Expecting value at column 1)"),
        ('{"a": 1}\n', 'line 1: not a caption dump (no "format": "caption-dump") nor a COCO results list'),
        ("3\n", "line 1: expected a JSON object, found int"),
        (line_of([{**HEAD, "version": 9}, GOOD, GOOD]), "line 1: dump version 9; this project reads 1"),
        (line_of([HEAD, GOOD]), "line 2: the file ends after 1 of 2 captions"),
        (line_of([HEAD, GOOD, GOOD, GOOD]), "line 4: the file ends after 3 of 2 captions"),
        (line_of([HEAD, GOOD, '{"image_id": 1, "capt']), "line 3: not JSON (Unterminated string"),
        (line_of([HEAD, GOOD, {"caption": "a"}]), "line 3: a record needs an integer image_id and a text caption"),
        (line_of([HEAD, {"image_id": "1", "caption": "a"}, GOOD]), "line 2: a record needs an integer image_id"),
        (line_of([HEAD, {"image_id": 1, "caption": None}, GOOD]), "line 2: a record needs"),
        (line_of([HEAD, GOOD, [1, "a"]]), "line 3: expected a JSON object, found list"),
        (line_of([HEAD, "", GOOD]), "line 2: not JSON"),
        ('[{"image_id": 1, "caption": "a"},\n {"image_id"', "line 2: not JSON"),
        (
            '[{"image_id": 1, "caption": "a"}, {"image_id": 1}]',
            "entry 1: a COCO result needs an integer image_id and a text caption",
        ),
        ('[{"image_id": "1", "caption": "a"}]', "entry 0: a COCO result needs"),
        ("[1]", "entry 0: a COCO result needs"),
        ('[{"image_id": 9223372036854775808, "caption": "a"}]', "entry 0: a COCO result needs an integer image_id"),
        ("[" * 100_000, "line 1: not JSON (maximum recursion depth"),
        ('{"a": ' + "[" * 100_000, "line 1: not JSON (maximum recursion depth"),
        ('[{"image_id": ' + "1" * 6000, "line 1: not JSON (Exceeds the limit"),
        ('{"a": ' + "1" * 6000 + "}", "line 1: not JSON (Exceeds the limit"),
        (
            line_of([HEAD, GOOD, {**GOOD, "caption": "a \ud800 dog"}]),
            "line 3: holds half of a surrogate pair, which is",
        ),
        (line_of([HEAD, {**GOOD, "scores": {"\udc00": 1}}, GOOD]), "line 2: holds half of a surrogate pair"),
        (line_of([{**HEAD, "name": "\udfff"}, GOOD, GOOD]), "line 1: holds half of a surrogate pair"),
        (
            json.dumps([GOOD, {**GOOD, "caption": "a \ud800 dog"}]),
            "entry 1: its caption holds half of a surrogate pair, which is no character and cannot be written; mend",
        ),
    ],
)
def test_refusals_name_the_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        read_dump(path)
    assert str(caught.value).startswith(f"{path}, {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": "a dog"}, "tokens"),
        ({"tokens": [1]}, "tokens"),
        ({"logprob": "-3"}, "logprob"),
        ({"scores": [0.3]}, "scores"),
        ({"scores": {"cider": "high"}}, "scores"),
        ({"file_name": 3}, "file_name"),
        ({"image_id": True}, "image_id"),
    ],
)
def test_fields_of_another_type_are_refused(tmp_path: Path, row: dict[str, object], message: str) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(line_of([{**HEAD, "count": 1}, {**GOOD, **row}]))
    with pytest.raises(UserError, match=rf"d\.jsonl, line 2: .*{message}"):
        read_dump(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"config": 3}, "config is 3, not an object; mend it, or leave it out"),
        ({"config": {"data": 3}}, "config.data is 3, not an object"),
        ({"config": {"data": {"source": 3}}}, "config.data.source is 3, not a text; mend or delete it"),
        ({"scorers": 3}, "scorers is 3, not a list of names"),
        ({"scorers": [1]}, "scorers is [1], not a list of names"),
        ({"mini_scorers": 5}, "mini_scorers is 5, not a list of names"),
        ({"options": []}, "options is [], not an object"),
        ({"name": ["ce"]}, 'name is ["ce"], not a text'),
    ],
)
def test_a_header_of_another_shape_is_refused(tmp_path: Path, header: dict[str, object], message: str) -> None:
    (tmp_path / "d.jsonl").write_text(line_of([{**HEAD, **header}, GOOD, GOOD]))
    with pytest.raises(UserError) as caught:
        read_dump(tmp_path / "d.jsonl")
    assert str(caught.value).startswith(f"{tmp_path / 'd.jsonl'}, line 1: {message}")


def test_a_pair_of_surrogates_is_one_character(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text(line_of([{**HEAD, "count": 1}, {**GOOD, "caption": "a \U0001f415"}]))
    assert "\\ud83d\\udc15" in (tmp_path / "d.jsonl").read_text()
    assert read_dump(tmp_path / "d.jsonl").records[0].caption == "a \U0001f415"


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.jsonl: no such dump; make one with: python probe\.py dump"):
        read_dump(tmp_path / "none.jsonl")
    with pytest.raises(UserError, match="is a folder; name the dump file in it"):
        read_dump(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0JFIF")
    with pytest.raises(UserError, match=r"photo\.jpg: cut or not a text file"):
        read_dump(tmp_path / "photo.jpg")


def test_a_failed_write_leaves_the_old_dump(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_dump(path, {"name": object()}, RECORDS)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["test.jsonl"]


def test_trust_in_pickles_is_not_taken_from_a_dump() -> None:
    found = CaptionDump("d", (), {"config": {"data": {"source": "photos.json", "trust_pickle": True}}})
    assert data_of(found, DataConfig()) == DataConfig(source="photos.json")
    assert data_of(found, DataConfig(trust_pickle=True)).trust_pickle
