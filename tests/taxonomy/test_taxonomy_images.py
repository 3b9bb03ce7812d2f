"""Which image shows what, and in which part it is."""

from pathlib import Path

import pytest
from taxonomy_images import captioned, folders_of, picture, taxonomy_of

from probing_vlp.data.text import tokenize
from probing_vlp.errors import UserError
from probing_vlp.taxonomy.asking.captioned import namer, shown_by
from probing_vlp.taxonomy.asking.images import PARTS, ImageIndex, cut, index_images
from probing_vlp.taxonomy.asking.taxonomies import load_taxonomy
from probing_vlp.taxonomy.records import Shown

PETS = "dog,animal\ncat,animal\ncar,vehicle"


def names(index: ImageIndex) -> dict[str, list[str]]:
    return {part: [shown.image for shown in index.parts[part]] for part in PARTS}


@pytest.mark.parametrize("n", [1, 2, 3, 4, 10, 13, 20, 90])
def test_cut(n: int) -> None:
    parts = cut([Shown(str(i), Path(), frozenset()) for i in range(n)])
    # n = 10: 7, 7 -> 7 train, 0 val, 3 test; n = 20: 14, 15; n = 90: 63, 67 (0.7 * 90 is 62.99.. in floating point)
    assert [len(parts[part]) for part in PARTS] == [7 * n // 10, 3 * n // 4 - 7 * n // 10, n - 3 * n // 4]
    assert [shown.image for part in PARTS for shown in parts[part]] == [str(i) for i in range(n)]


def test_folders(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path, PETS)
    root = folders_of(tmp_path / "images", {"dog": 20, "cat": 10, "Car": 4, "tree": 3})
    (root / "dog" / "notes.txt").write_text("no picture")
    index = index_images(str(root), taxonomy)
    assert [len(index.parts[part]) for part in PARTS] == [14 + 7 + 2, 1 + 0 + 1, 5 + 3 + 1]
    assert names(index)["val"] == ["Car/002.png", "dog/014.png"]
    assert index.by_name["Car/000.png"].leaves == {"car"} and index.left_out == {"folders that are no leaf": 1}
    assert index.count("test") == {"dog": 5, "cat": 3, "car": 1}


def test_folders_by_a_table(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path, PETS)
    root = folders_of(tmp_path / "images", {"dog1": 4, "dog2": 4, "cat": 4, "car": 4})
    table = tmp_path / "folders.csv"
    table.write_text("folder,leaf\ndog1,dog\ndog2,dog\n")
    assert index_images(str(root), taxonomy, folders=table).count("train") == {"dog": 4, "cat": 2, "car": 2}
    for line, said in (
        ("dog3,dog", "folder 'dog3' is not in"),
        ("dog1,wolf", "'wolf' is no leaf"),
        ("dog1,", "filled"),
    ):
        table.write_text(f"folder,leaf\n{line}\n")
        with pytest.raises(UserError, match=said):
            index_images(str(root), taxonomy, folders=table)


def test_one_picture_in_two_folders_is_one_image(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path, PETS)
    root = folders_of(tmp_path / "images", {"dog": 4, "cat": 4, "car": 4})
    picture(root / "dog" / "zzz.png", 5)  # cat/000.png
    index = index_images(str(root), taxonomy)
    assert index.by_name["cat/000.png"].leaves == {"cat", "dog"}
    assert "dog/zzz.png" not in index.by_name and index.left_out == {"same file as another": 1}
    kept = [shown.image for part in PARTS for shown in index.parts[part]]
    assert len(kept) == len(set(kept)) == 12


def test_a_leaf_without_images(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path, PETS)
    root = folders_of(tmp_path / "images", {"dog": 8, "cat": 4, "car": 0})
    with pytest.raises(UserError, match="leaf 'car' has no training and no test images; add some, take it out of zoo"):
        index_images(str(root), taxonomy)
    index = index_images(str(root), taxonomy, least=1)
    assert index.dropped == {"car": 0} and list(index.taxonomy.hypernyms) == ["animal"]
    assert index.taxonomy.signature == taxonomy.signature
    with pytest.raises(UserError, match="1 leaves of zoo have 3 training images"):
        index_images(str(root), taxonomy, least=3)


def test_bad_sources(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path, PETS)
    with pytest.raises(UserError, match="nowhere: no such folder of images"):
        index_images(str(tmp_path / "nowhere"), taxonomy)
    root = folders_of(tmp_path / "images", {"dog": 4, "Dog": 4, "cat": 4, "car": 4})
    with pytest.raises(UserError, match="folders 'Dog' and 'dog' differ in case"):
        index_images(str(root), taxonomy)
    source = captioned(tmp_path / "coco", {"a": ["a dog"] * 2})
    (source / "images" / "a.png").unlink()
    with pytest.raises(UserError, match=r"1 of 1 images are missing in .*: a.png"):
        index_images(str(source), taxonomy)


def test_what_is_no_image_in_a_folder(tmp_path: Path) -> None:
    taxonomy, root = taxonomy_of(tmp_path, PETS), folders_of(tmp_path / "images", {"dog": 4, "cat": 4, "car": 4})
    (root / "dog" / "more.jpg").mkdir()
    assert sum(map(len, index_images(str(root), taxonomy).parts.values())) == 12
    (root / "dog" / "link.jpg").symlink_to(tmp_path / "nowhere.jpg")
    with pytest.raises(UserError, match=r"link\.jpg: no such image .*; is it a link to nowhere"):
        index_images(str(root), taxonomy)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "it needs columns folder,leaf in its first line"),
        (b"name,leaf\nx,dog\n", "it needs columns folder,leaf in its first line"),
        (b"folder,leaf\ncr\xf6w,dog\n", "not UTF-8 text"),
    ],
)
def test_a_bad_table_of_folders(tmp_path: Path, raw: bytes, said: str) -> None:
    taxonomy, root = taxonomy_of(tmp_path, PETS), folders_of(tmp_path / "images", {"dog": 4, "cat": 4, "car": 4})
    (tmp_path / "folders.csv").write_bytes(raw)
    with pytest.raises(UserError, match=said):
        index_images(str(root), taxonomy, folders=tmp_path / "folders.csv")


def test_accents_are_one_letter_however_they_are_put(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path, "caf\u00e9,place\nbar,place")
    root = folders_of(tmp_path / "images", {"cafe\u0301": 4, "bar": 4})
    assert {
        leaf for part in PARTS for shown in index_images(str(root), taxonomy).parts[part] for leaf in shown.leaves
    } == {"caf\u00e9", "bar"}
    with pytest.raises(UserError, match="differ in case or spaces only"):
        taxonomy_of(tmp_path, "caf\u00e9,place\ncafe\u0301,place")


@pytest.mark.parametrize(
    ("caption", "leaves"),
    [
        ("Two dogs and a puppy.", "dog"),
        ("A hot dog on a plate", "hot dog"),
        ("a dogged man", "person"),
        ("a toy train", ""),
        ("an orange cat", "cat"),
        ("a teddy bear on a bed", "bed, teddy bear"),
        ("a pair of scissors", "scissors"),
        ("women with skis", "person, skis"),
    ],
)
def test_what_captions_name(caption: str, leaves: str) -> None:
    found = shown_by([tokenize(caption)], namer(load_taxonomy("coco")))
    assert ", ".join(sorted(found)) == leaves


def test_what_captions_name_of_a_taxonomy_of_ones_own(tmp_path: Path) -> None:
    lines = "hot dog,food,hotdog\ndog,animal,hound;guard dog\nt-shirt,clothing,\njeans,clothing,denims\nwolf,animal,"
    find = namer(taxonomy_of(tmp_path, lines, "leaf,hypernym,words"))
    said = "Hot dogs, a T-shirt, wolves; jeans by two guard dogs in hotdogs, underdogs"
    assert find(tokenize(said)) == ["hot dog", "t-shirt", "wolf", "jeans", "dog", "hot dog"]
    with pytest.raises(UserError, match="captions that say 'bat' would show both 'bat' and 'club'"):
        namer(taxonomy_of(tmp_path, "bat,animal,\nclub,stick,bat", "leaf,hypernym,words"))


def test_k_captions_show_a_leaf_and_fewer_leave_it_unsure(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path, PETS)
    captions = {f"p{i:02d}": ["a dog and a cat", "a dog near a car", "dogs", "a car and a car"] for i in range(20)}
    captions["none"] = ["a dog", "a tree", "a cat"]
    source = captioned(tmp_path / "coco", captions)
    with pytest.raises(UserError, match="leaf 'cat' has no"):
        index_images(str(source), taxonomy)
    index = index_images(str(source), taxonomy, least=1)
    # dog 3 captions, car 2, cat 1; cat is dropped, and with it nothing: dog is an animal too
    shown = index.by_name["p00.png"]
    assert (shown.leaves, shown.unsure, shown.blocked) == ({"dog", "car"}, frozenset(), frozenset())
    assert index.left_out == {"shows no leaf for sure": 1} and "none.png" not in index.by_name
    assert [len(index.parts[part]) for part in PARTS] == [14, 1, 5]
    strict = index_images(str(source), taxonomy, k=1)
    assert strict.by_name["p00.png"].leaves == {"dog", "car", "cat"} and len(strict.by_name) == 21


def test_hypernyms_of_dropped_leaves_are_not_asked_about(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path, f"{PETS}\nbus,vehicle")
    captions = {f"p{i:02d}": ["a dog and a cat"] * 2 for i in range(20)} | {"rare": ["a dog in a car"] * 2}
    captions |= {f"q{i:02d}": ["a bus"] * 2 for i in range(9)}
    index = index_images(str(captioned(tmp_path / "coco", captions)), taxonomy, least=2)
    assert list(index.dropped) == ["car"]
    assert index.by_name["rare.png"].leaves == {"dog"} and index.by_name["rare.png"].blocked == {"vehicle"}


def test_the_split_does_not_depend_on_the_order_of_files(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path, PETS)
    texts = {f"p{i:02d}": [("a dog", "a cat", "a car")[i % 3]] * 2 for i in range(90)}
    turned = dict(reversed(texts.items()))
    one = index_images(str(captioned(tmp_path / "one", texts)), taxonomy, least=1)
    two = index_images(str(captioned(tmp_path / "two", turned)), taxonomy, least=1)
    other = index_images(str(tmp_path / "one"), taxonomy, seed=5, least=1)
    assert names(one) == names(two) != names(other)
    assert sorted(one.by_name) == [f"p{i:02d}.png" for i in range(90)]


def test_the_same_photograph_under_two_names_is_one_image(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path, PETS)
    source = captioned(tmp_path / "coco", {f"p{i:02d}": [("a dog", "a cat", "a car")[i % 3]] * 2 for i in range(90)})
    (source / "images" / "p89.png").write_bytes((source / "images" / "p00.png").read_bytes())
    index = index_images(str(source), taxonomy, least=1)
    assert "p89.png" not in index.by_name and index.left_out == {"same file as another": 1}


def test_photographs_and_captions_in_a_table(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(tmp_path, PETS)
    root = folders_of(tmp_path, {"photos": 60})
    lines = [f"{i:03d}.png,{('a dog', 'a cat', 'a car')[i % 3]}\n" for i in range(60)]
    (tmp_path / "captions.csv").write_text("file_name,caption\n" + "".join(lines + lines))
    index = index_images(f"{root / 'photos'},{tmp_path / 'captions.csv'}", taxonomy)
    assert [len(index.parts[part]) for part in PARTS] == [42, 3, 15]
