"""What is asked: "Is there a dog in this image?", answered by " Yes" or " No".

`plain` is the default; `paper` puts the literal text "<image>" and a line break before it, as the published code does:
that is text like any other, no special token.
"""

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.records import Concept

ANSWERS = ("Yes", "No")
STYLES = {"plain": "Is there {a} in this image?", "paper": "<image>\nIs there {a} in this image?"}


def question_text(concept: Concept, style: str = "plain") -> str:
    """The question about a concept; UserError for a style that is not in STYLES."""
    if style not in STYLES:
        raise UserError(f"prompt style '{style}': is none of {', '.join(STYLES)}")
    return STYLES[style].format(a=concept.a())
