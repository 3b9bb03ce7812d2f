"""Objects of captions, and which of them are hallucinated or missed."""

import pytest
from drift_toys import EMPTY, context_of, read_plainly

from analysis.drift.chair import columns, mentions, ratios
from analysis.resampling import estimates, sums_by_image
from probing_vlp.data.coco_objects import CATEGORIES
from probing_vlp.data.naming import plural


@pytest.mark.parametrize(
    ("caption", "objects"),
    [
        ("a man with two dogs and a puppy", "person dog dog"),
        ("a hot dog and a dog", "hot dog, dog"),
        ("hot dogs", "hot dog"),
        ("teddy bears and a bear", "teddy bear, bear"),
        ("a stuffed animal near a stuffed bear", "teddy bear, teddy bear"),
        ("a baseball bat", "baseball bat"),
        ("women near wine glasses and knives", "person, wine glass, knife"),
        ("a toy train on train tracks", ""),
        ("a passenger train", "train"),
        ("baby elephants", "elephant"),
        ("a baby with an elephant", "person, elephant"),
        ("a couple of zebras", "zebra"),
        ("a couple on a couch", "person, couch"),
        ("an orange cat", "cat"),
        ("an orange and white cat", "cat"),
        ("an orange and a banana", "orange, banana"),
        ("oranges", "orange"),
        ("a fire truck near a fire hydrant", "truck, fire hydrant"),
        ("a dirt bike and a bike near a bike rack", "motorcycle, bicycle"),
        ("cell phones, a laptop computer", "cell phone, laptop"),
        ("a glass of wine on a dining table", "wine glass, dining table"),
        ("", ""),
        ("...", ""),
    ],
)
def test_mentions(caption: str, objects: str) -> None:
    wanted = objects.split(", ") if "," in objects else objects.split() if objects == "person dog dog" else [objects]
    assert mentions(read_plainly([caption])[0].words) == [name for name in wanted if name]


def test_every_category_is_known_by_its_name_and_its_plural() -> None:
    assert len(CATEGORIES) == 80
    for name in CATEGORIES:
        *first, last = name.split()
        assert mentions(name.split()) == [name]
        if not last.endswith("s"):
            assert mentions([*first, plural(last)]) == [name]


def test_by_hand() -> None:
    context = context_of([["a dog on a bed", "a puppy and a cat"], ["a man"]])
    captions = read_plainly(["a dog dog with a frisbee", "trees", "a cat"])
    found = columns(captions, context)
    # image 0: mentions dog, frisbee; true dog, bed, cat.  image 1: nothing; true person.  image 2: no references
    sums = sums_by_image(range(3), found)
    values = [estimate.value for estimate in estimates(ratios(), sums, context.generator("x"), 10)]
    assert values == pytest.approx([1 / 2, 1 / 2, 1 / 3, 1 / 4])
    assert found["judged"].tolist() == [1, 1, 0]


def test_columns_of_a_caption_depend_on_it_alone() -> None:
    context = context_of([["a dog on a bed"], ["a man"], ["a cat"]])
    captions = read_plainly(["a dog", "a horse and a man", "dog " * 2500])
    together = columns(captions, context)
    assert together["mentions"].tolist() == [1, 2, 2500]
    for i, caption in enumerate(captions):
        assert all(found[0] == together[name][i] for name, found in columns([caption], context).items())


def test_no_captions() -> None:
    assert {len(found) for found in columns([], EMPTY).values()} == {0}
