"""A JSON list read in small blocks holds what `json.loads` finds, and refuses what it refuses."""

import io
import json

import pytest

from probing_vlp import json_list
from probing_vlp.errors import UserError
from probing_vlp.json_list import json_entries

ENTRIES = [{"image_id": 1, "caption": 'a "dog", [x] {y}\n \\ \u2028'}, {}, [1, [2]], "x,]", None, 3.5, {"é": "日本"}]


@pytest.fixture(autouse=True, params=[1, 2, 7, 1 << 20])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_list, "BLOCK", request.param)


def entries(text: str) -> list[object]:
    return list(json_entries(io.StringIO(text), "f.json"))


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_holds_what_the_list_holds(indent: int | None, ascii_only: bool) -> None:
    assert entries(json.dumps(ENTRIES, indent=indent, ensure_ascii=ascii_only) + "\n ") == ENTRIES
    assert entries(" [\n] ") == entries("[]") == []


def test_cut_anywhere_it_is_refused() -> None:
    whole = json.dumps(ENTRIES[:3])
    for size in range(len(whole)):
        with pytest.raises(UserError, match=r"^f\.json, line 1: not JSON \("):
            entries(whole[:size])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[{"a": 1}\n {"b": 2}]', 2),  # no comma
        ('[{"a": 1},\n\n]', 3),  # a comma too many
        ('[{"a": 1}]\n[]', 2),  # more than one list
        ('[{"a": 1},\n {"b":\n oops}]', 3),
        ('\n{"a": 1}', 2),
        ("[,]", 1),
    ],
)
def test_refusals_name_the_line(text: str, line: int) -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(text if text[-1] != "}" else text + "x")
    with pytest.raises(UserError, match=rf"^f\.json, line {line}: not JSON \("):
        entries(text)


def test_an_entry_without_end_is_not_read_to_the_end_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_list, "LONGEST", 100)
    file = io.StringIO('[{"a": "' + "x" * (1 << 22))
    with pytest.raises(UserError, match="Unterminated string"):
        list(json_entries(file, "f.json"))
    assert file.tell() <= 110 + 2 * json_list.BLOCK
