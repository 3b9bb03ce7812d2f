"""What stands behind the headline: for each habit named the experiment that shows it, with an example."""

from collections.abc import Sequence

from analysis.habits.legs import DOSES, ORDER, Found
from analysis.habits.verdicts import HABITS
from analysis.report.headline import Verdict
from probing_vlp.pages.results import Row
from probing_vlp.pages.wording import number

OTHER = "other-caption"


def proof(rows: Sequence[Row], one: Verdict) -> str:
    """How captions were changed on purpose and what the scorer gave for it; empty where no habit is named."""
    found = Found(rows, one.model, one.scorer)
    shown = [said for habit in one.keys if (said := _shown(HABITS[habit].doses, found))]
    return f"Captions changed on purpose show it: {one.scorer} gives {'; '.join(shown)}." if shown else ""


def _shown(doses: Sequence[str], found: Found) -> str:
    """The dose that the scorer pays most for, as "0.412 instead of 0.380 (n = 507) for wrong nouns, as in “...”"."""
    tried = {dose: change for dose in doses if (change := found.dose(dose, "change")) and found.dose(dose, "score")}
    if not tried:
        return ""
    dose = max(tried, key=lambda one: tried[one][1].value or 0.0)
    base = tried[dose][0]
    after, before = found.doses[f"verify:{base}/{dose}:score"], found.doses.get(f"verify:{base}/{dose}:original")
    start = f" instead of {number(before.value or 0.0)}" if before else ""
    what = "the same words shuffled" if dose == ORDER else DOSES[dose].what
    told = f"{number(after.value or 0.0)}{start} (n = {after.n:,}) for {what}{_example(after)}"
    other = found.doses.get(f"verify:{base}/{OTHER}:score") if dose == ORDER else None
    return f"{told}, and {number(other.value or 0.0)} for another photograph's caption" if other else told


def _example(row: Row) -> str:
    """The first constructed caption that the note of a verification's row has, in quotes."""
    text = row.note.split("; ")[0].split(" | ")[0].partition(": ")[2]
    return f", as in “{text}”" if text else ""
