"""`probe.py template`: visual words, typed or of a caption, in the templates of Ma et al. 2023 or in one's own."""

from dataclasses import dataclass, field

from probing_vlp.errors import UserError
from probing_vlp.experiments.base import make_cases
from probing_vlp.experiments.templates import TEMPLATES, parse_template
from probing_vlp.tagging import load_tagger


@dataclass
class TemplateConfig:
    """Captions from visual words."""

    words: list[str] = field(default_factory=list)
    """Visual words, as in --words man horse field or --words man,horse,field."""
    caption: str = ""
    """A caption to take them from: its nouns, each once."""
    count: int = 0
    """How many of them to use, the first; default: all."""
    template: str = ""
    """A template by name, or a notation as "a NOUN (of a NOUN)*"; default: all that have a name."""


def run(config: TemplateConfig) -> None:
    """Print the captions, one a template."""
    named = {config.template: parse_template(config.template)} if config.template else {}
    templates = named or {name: parse_template(name) for name in TEMPLATES}
    words = visual_words(config)
    if config.template:
        print(templates[config.template].fill(words))
        return
    print(f"visual words: {', '.join(words)}")
    width = max(map(len, templates))
    for name, template in templates.items():
        print(f"{name:<{width}}  {template.fill(words)}")


def visual_words(config: TemplateConfig) -> list[str]:
    """The words to be put in; UserError if there are none."""
    if config.words and config.caption:
        raise UserError("give --words or --caption, not both")
    if config.count < 0:
        raise UserError(f"--count {config.count}: must be 0 (all) or more")
    given = " ".join(config.words).replace(",", " ").split()
    if config.caption:
        given = make_cases([(0, config.caption)], {0: ()}, load_tagger())[0].visual_words
    if not given:
        said = f"--caption '{config.caption}': has no noun" if config.caption else "no visual words"
        raise UserError(f"{said}; give them with --words man horse field")
    return given[: config.count or None]
