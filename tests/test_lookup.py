"""Names to objects."""

import sys
from pathlib import Path

import pytest

from probing_vlp.errors import UserError
from probing_vlp.lookup import lookup

TABLE = {"fraction": "fractions:Fraction", "decimal": "decimal:Decimal"}


def test_a_name_of_the_table() -> None:
    from fractions import Fraction

    assert lookup("fraction", TABLE, "number") is Fraction


def test_anything_by_module_and_name() -> None:
    assert lookup("os.path:join", TABLE, "function")("a", "b") == "a/b"


def test_nothing_is_imported_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lazy_module_of_a_test.py").write_text("class Thing: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    table = {"thing": "lazy_module_of_a_test:Thing"}
    with pytest.raises(UserError):
        lookup("thnig", table, "thing")
    assert "lazy_module_of_a_test" not in sys.modules
    assert lookup("thing", table, "thing").__name__ == "Thing"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "fractoin",
            "unknown number 'fractoin'; did you mean fraction? Known: decimal, fraction; "
            "or give your own as package.module:Class",
        ),
        ("xyz", "unknown number 'xyz'. Known: decimal, fraction; or give your own as package.module:Class"),
        (
            "no.such.module:Thing",
            "number 'no.such.module:Thing': there is no module no.such.module; is its folder on PYTHONPATH?",
        ),
        ("os.nowhere:Thing", "number 'os.nowhere:Thing': there is no module os.nowhere; is its folder on PYTHONPATH?"),
        ("fractions:Fractoin", "number 'fractions:Fractoin': module fractions has no Fractoin"),
        ("fractions:", "number 'fractions:': write package.module:Class"),
        (":Fraction", "number ':Fraction': write package.module:Class"),
        (".fractions:Fraction", "number '.fractions:Fraction': write package.module:Class"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        lookup(name, TABLE, "number")
    assert str(caught.value) == message


def test_a_module_that_lacks_something_itself_is_not_blamed_on_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_more.py").write_text("import a_module_that_is_not_installed\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError) as caught:
        lookup("needs_more:Thing", TABLE, "number")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert str(caught.value) == (
        "number 'needs_more:Thing': module needs_more cannot be imported (ModuleNotFoundError: No module named "
        "'a_module_that_is_not_installed'); see where with: python -c 'import needs_more'"
    )


@pytest.mark.parametrize(
    ("module", "text", "said"),
    [
        ("cut_short", "def f(:\n", "SyntaxError: invalid syntax (cut_short.py, line 1)"),
        ("wants_more", "from os import nothing_of_the_kind\n", "ImportError: cannot import name 'nothing_of_the_kind'"),
        ("breaks", "raise RuntimeError('first\\nsecond')\n", "RuntimeError: first)"),
        ("leaves", "raise SystemExit(3)\n", "SystemExit: 3)"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why_in_one_line(
    module: str, text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError) as caught:
        lookup(f"{module}:Thing", TABLE, "number")
    assert str(caught.value).startswith(f"number '{module}:Thing': module {module} cannot be imported ({said}")
    assert "\n" not in str(caught.value)
