"""Where templates are found and what they may call; what is put into them is text from outside, and is escaped so."""

from importlib.resources import files
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from probing_vlp.pages.wording import listing, number


def environment(package: str = "", **known: Any) -> Environment:
    """Templates of a package of pages, and those that all pages share; `known` are functions that they call."""
    packages = [name for name in (package, "probing_vlp.pages") if name]
    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=ChoiceLoader([PackageLoader(name, "templates") for name in packages]),
    )
    made.globals |= {"number": number, "listing": listing, **known}
    return made


def stylesheet() -> Markup:
    """The one style of all pages: light, dark and on paper."""
    return Markup((files("probing_vlp.pages") / "templates" / "page.css").read_text(encoding="utf-8"))
