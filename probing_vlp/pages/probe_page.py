"""The report of a probe as one self-contained page, its tables and figures beside it as files.

    index.html      needs no network and no server; every picture is inside
    tables/         each table as CSV and LaTeX
    figures/        each figure as SVG and PNG

and what the caller adds: results.csv and its like.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from probing_vlp import __version__
from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write
from probing_vlp.pages.drawing import Drawing
from probing_vlp.pages.exports import exports
from probing_vlp.pages.tables import Table
from probing_vlp.pages.templating import environment, stylesheet

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""No script at all, and no picture from elsewhere."""


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading of its own; `key` is its id."""

    key: str
    title: str
    hint: str = ""
    """What is to be known before reading, in small type."""
    says: tuple[str, ...] = ()
    """What the section comes to, a sentence each."""
    drawings: tuple[Drawing, ...] = ()
    tables: tuple[Table, ...] = ()
    folded: tuple[Table, ...] = ()
    """Tables that are shown when asked for."""
    extra: Markup = Markup("")  # noqa: RUF009  (Markup is immutable)
    """Anything else, escaped by whoever made it."""


@dataclass(frozen=True)
class ProbePage:
    """All that a page shows."""

    title: str
    """What kind of report it is, and of what: a line above the headline."""
    headline: str
    """The answer, in one sentence."""
    lead: str
    """What was asked and how, for a reader who knows nothing of it."""
    proviso: str = ""
    """What the result must not be taken for."""
    says: tuple[str, ...] = ()
    """The verdicts, a sentence each with its numbers."""
    hero: tuple[Drawing, ...] = ()
    """The answer as a picture."""
    series: tuple[str, ...] = ()
    """Names of what has a colour of its own, in the order of the palette."""
    sections: tuple[Section, ...] = ()
    provenance: tuple[tuple[str, str], ...] = ()
    """What made the numbers: (what, value)."""
    links: tuple[str, ...] = ()
    """Files beside the page."""

    @property
    def tables(self) -> list[Table]:
        """Every table, in the order of the page."""
        return [table for section in self.sections for table in (*section.tables, *section.folded)]

    @property
    def drawings(self) -> list[Drawing]:
        """Every figure, in the order of the page."""
        return [*self.hero, *(drawing for section in self.sections for drawing in section.drawings)]


def render(page: ProbePage) -> str:
    """The page as HTML."""
    template = environment().get_template("probe.html.jinja")
    return template.render(page=page, style=stylesheet(), policy=POLICY, version=__version__)


def write_report(out: Path, page: ProbePage, files: Mapping[str, bytes]) -> Path:
    """Write the page, its exports and `files` (path below `out` -> content); the path of index.html.

    Everything is made before anything is written, and the page is written last.  UserError if `out` cannot be used,
    ValueError if two tables or two figures share a key.
    """
    for kind in (page.tables, page.drawings):
        check_keys([one.key for one in kind])
    html = render(page)
    made = {**dict(exports(page.tables, page.drawings)), **files, "index.html": html.encode()}
    try:
        for name, content in made.items():
            atomic_write(out / name, content)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise UserError(f"{out}: cannot be written to ({error.strerror}); give another --out") from None
    return out / "index.html"


def check_keys(keys: Sequence[str]) -> None:
    """ValueError for a key that is there twice: its files would take each other's place."""
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ValueError(f"two tables or figures are called {', '.join(twice)}")
