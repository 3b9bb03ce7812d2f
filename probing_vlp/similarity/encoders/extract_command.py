"""`probe.py similarity extract`: vectors of words from any encoder, into a file that `similarity compare` reads.

python probe.py similarity extract --model minilm --out minilm.npz
python probe.py similarity extract --model laion/clap-htsat-unfused --condition caption-like --out clap.npz
python probe.py similarity extract --model static:glove.6B.300d.txt --words words.csv --condition isolated --out g.npz
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from probing_vlp.errors import UserError, check_least, listed
from probing_vlp.files import atomic_write
from probing_vlp.similarity.words.stimuli import load_words
from probing_vlp.similarity.words.templates import fill, read_templates


@dataclass
class ExtractConfig:
    """Options of `probe.py similarity extract`."""

    model: str
    """minilm, mini-clip, caption-pairs, captioner:RUN, static:FILE, a folder or hub id of transformers, or your own
    package.module:Class; ",tokenizer=FOLDER" behind it for another tokenizer."""
    out: Path
    """The npz to write: words, layers, vectors (words, layers, units)."""
    words: Path | None = None
    """CSV with a column word (and category), or a text file with a word a line; default: the paper's 320 nouns if
    $PROBING_VLP_DATA has them, else the project's own."""
    subset: str = "all"
    """all, objects, events, or categories with commas between."""
    condition: str = "neutral"
    """isolated, neutral, caption-like, generic-caption-like, or one of your template file."""
    templates: Path | None = None
    """YAML list of sentences with {word} and perhaps {article}, or CSV with a column template; by itself the
    project's."""
    article: Literal["paper", "correct"] = "paper"
    """paper: "an" before a vowel letter; correct: by sound, "some" for plurals and mass nouns."""
    include_special: bool = False
    """For bare words: the mean over all tokens, [CLS] and [SEP] too, as in the paper."""
    layer: str | None = None
    """Write this layer alone, vectors (words, units): its name, its number, "first" or "last"."""
    untrained_seed: int | None = None
    """Draw the model's weights again with this seed: its untrained twin."""
    missing: Literal["error", "leave-out"] = "error"
    """What becomes of words that the model has no token for."""
    batch_size: int = 32
    """Sentences at a time; the vectors do not depend on it."""
    device: str = "cpu"
    """cpu, cuda, ..."""
    cache: bool = True
    """Keep the vectors, and take those that were kept ($PROBING_VLP_CACHE or ~/.cache/probing_vlp)."""

    def __post_init__(self) -> None:
        check_least(self, 1, "batch_size")


def run(config: ExtractConfig) -> None:
    """Extract and write; nothing is written after a mistake."""
    from probing_vlp.similarity.encoders.caching import default_cache
    from probing_vlp.similarity.encoders.extraction import extract

    if config.out.suffix != ".npz":
        raise UserError(f"--out {config.out}: an npz is written; call it {config.out.with_suffix('.npz')}")
    stimuli = load_words(config.words).of(config.subset)
    templates = read_templates(config.templates, config.condition) if config.templates else None
    filled = fill(stimuli, config.condition, config.article, templates)
    extracted = extract(
        config.model,
        filled,
        default_cache() if config.cache else None,
        config.untrained_seed,
        config.include_special,
        config.batch_size,
        config.missing,
        config.device,
    )
    extracted.info.update(condition=config.condition, words=stimuli.source)
    atomic_write(config.out, extracted.to_bytes(config.layer))
    if missing := [word for word in stimuli.words if word in extracted.info["missing"]]:
        print(f"left out, {config.model} does not know them: {len(missing)} words: {listed(missing)}")
    layers = f"layer {config.layer}" if config.layer is not None else f"{len(extracted.layers)} layers"
    kind = "" if extracted.trained else f" untrained (seed {config.untrained_seed})"
    print(f"{config.out}: {len(extracted.words)} words, {layers}, {config.condition}, {config.model}{kind}")
