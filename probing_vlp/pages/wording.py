"""How numbers are written for readers: one rule for tables, charts and sentences."""

from collections.abc import Sequence

MINUS = "\u2212"


def number(value: float, signed: bool = False) -> str:
    """Three or so significant digits: 0.387, 9.12, 40.3, 1,204; `signed` puts a sign before positive values too."""
    return "0" if value == 0 else _fixed(value, _places(value), signed)


def interval(low: float, high: float, signed: bool = False) -> str:
    """The two ends of an interval, to the same decimal: "0.381 to 0.393"."""
    places = min(_places(low), _places(high))
    return f"{_fixed(low, places, signed)} to {_fixed(high, places, signed)}"


def _places(value: float) -> int:
    size = abs(value)
    return 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.9995 else 3 if size >= 0.00995 else 4


def _fixed(value: float, places: int, signed: bool) -> str:
    sign = MINUS if value < 0 else "+" if signed and value > 0 else ""
    return f"{sign}{abs(value):,.{places}f}" if value else "0"


def listing(parts: Sequence[str]) -> str:
    """Parts joined as in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join(parts) if len(parts) < 3 else f"{', '.join(parts[:-1])} and {parts[-1]}"
