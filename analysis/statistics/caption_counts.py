"""What a dump is made of: empty captions, captions of another script, images, images with several captions.

    empty_captions     share of captions without a word: nothing, blanks, or punctuation alone
    foreign_captions   share of captions with more letters of other scripts than of the Latin one; digits are no letters
    images             different images
    repeated_images    images with more than one caption

All of them are measured as any other caption.  An empty one has no words, no nouns and the end alone to predict; a
foreign one has words that the language model does not know and parts of speech that the tagger guesses.  Where that is
no rule to measure by, `refuse` makes the first such caption an error.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from analysis.context import Context
from analysis.ratios import CAPTIONS, Ratio, column
from analysis.reading import Reading
from probing_vlp.data.text import is_foreign, tokenize
from probing_vlp.errors import UserError
from probing_vlp.pages.results import Row
from probing_vlp.records import CaptionRecord


def ratios() -> dict[str, Ratio]:
    """empty_captions and foreign_captions."""
    return {
        "empty_captions": Ratio("empty", CAPTIONS, "share of captions", __name__),
        "foreign_captions": Ratio("foreign", CAPTIONS, "share of captions", __name__),
    }


def columns(captions: Sequence[Reading], context: Context) -> Mapping[str, np.ndarray]:
    """0 or 1 for each caption."""
    return {
        "empty": column([not each.words for each in captions]),
        "foreign": column([is_foreign(each.caption) for each in captions]),
    }


def counters(captions: Sequence[Reading], context: Context) -> Mapping[str, Counter[str]]:
    """Captions by image."""
    return {"images": Counter(str(each.image_id) for each in captions)}


def counted_rows(found: Mapping[str, Counter[str]], model: str, context: Context) -> list[Row]:
    """images and repeated_images; n is the number of captions."""
    images = found["images"]
    counts = {"images": len(images), "repeated_images": sum(times > 1 for times in images.values())}
    n = images.total()
    return [Row(name, model, float(count), None, None, n, "images", __name__) for name, count in counts.items()]


def refuse(path: Path, records: Iterable[CaptionRecord]) -> Iterator[CaptionRecord]:
    """The records, as long as each has words of the Latin script and an image of its own; else UserError."""
    seen: set[int] = set()
    for number, record in enumerate(records, 1):
        wrong = (
            "is empty"
            if not tokenize(record.caption)
            else "is of another script"
            if is_foreign(record.caption)
            else "is not the first of its image"
            if record.image_id in seen
            else ""
        )
        if wrong:
            raise UserError(
                f"{path}, caption {number} (image {record.image_id}) {wrong}; mend the dump, or leave out --strict to "
                "have such captions measured and counted"
            )
        seen.add(record.image_id)
        yield record
