"""Every kind of file with words in it, and every kind that is none: one line, with row and column."""

from pathlib import Path

import numpy as np
import pytest

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.rdms import Rdms, from_vectors
from probing_vlp.similarity.distances.readers import nearest_neighbours, read_any, read_words

WORDS = ("ant", "bee", "cat", "dog", "egg")
VECTORS = np.random.default_rng(0).normal(size=(5, 4)).round(3)
RDM = from_vectors(WORDS, VECTORS)
SQUARE = RDM.get_matrices()[0]


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def npz(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def table(header: str = "Word,Kind,x,y,z,w", separator: str = ",") -> str:
    rows = [separator.join([word, "k", *map(str, row)]) for word, row in zip(WORDS, VECTORS, strict=True)]
    return "\n".join([header.replace(",", separator), *rows]) + "\n"


def text_of(matrix: np.ndarray) -> str:
    return "\n".join(" ".join(map(str, row)) for row in matrix) + "\n"


def test_npz_of_every_kind(tmp_path: Path) -> None:
    words = np.array(WORDS)
    cases = {
        "v": {"words": words.astype("S"), "vectors": VECTORS},
        "square": {"words": words, "rdm": SQUARE},
        "condensed": {"words": words, "rdm": RDM.dissimilarities[0]},
        "similarity": {"words": words, "similarity": 1 - SQUARE},
        "layer": {"words": words, "vectors": VECTORS[:, None]},
    }
    for name, arrays in cases.items():
        found = read_any(npz(tmp_path / f"{name}.npz", **arrays)).distances()
        assert found.words == WORDS
        assert found.dissimilarities == pytest.approx(RDM.dissimilarities, abs=1e-15)
    stack = read_any(npz(tmp_path / "s.npz", words=words, rdm=np.stack([SQUARE] * 3), participants=["p", "q", "r"]))
    assert stack.rdms and stack.rdms.participants == ("p", "q", "r")
    assert stack.notes[0] == "participants 'p' and 'q' have the same matrix"


def test_a_layer_is_chosen_by_name(tmp_path: Path) -> None:
    path = npz(tmp_path / "l.npz", words=WORDS, vectors=np.stack([VECTORS, 2 * VECTORS], 1), layers=["0", "last"])
    assert (read_any(f"{path}:last").vectors == 2 * VECTORS).all()
    with pytest.raises(UserError, match=r"choose one of its layers, as .*l\.npz:LAYER; it has 0, last"):
        read_any(path)
    with pytest.raises(UserError, match="choose one"):
        read_any(f"{path}:first")


@pytest.mark.parametrize(("suffix", "separator"), [("csv", ","), ("csv", ";"), ("tsv", "\t")])
def test_ratings_are_the_columns_of_numbers(tmp_path: Path, suffix: str, separator: str) -> None:
    path = written(tmp_path / f"r.{suffix}", "\ufeff" + table(separator=separator) + "\n")
    found = read_any(path, drop=["y"])
    assert (found.words, found.columns, found.left_out) == (WORDS, ("x", "z", "w"), ("Kind",))
    assert (found.vectors == VECTORS[:, [0, 2, 3]]).all()
    assert read_any(written(tmp_path / "o.csv", table("Name,noun,x,y,z,w")), word_column="Name").words == WORDS


def test_workbooks_are_tables_too(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    for row in [
        ["Word", "x", "y", "z", "w"],
        *([word, *row] for word, row in zip(WORDS, VECTORS.tolist(), strict=True)),
    ]:
        book.active.append(row)
    book.save(tmp_path / "r.xlsx")
    assert (read_any(tmp_path / "r.xlsx").vectors == VECTORS).all()
    book.active["C4"] = None
    book.save(tmp_path / "r.xlsx")
    with pytest.raises(UserError, match=r"row 4 \('cat'\), column 'y': is blank"):
        read_any(tmp_path / "r.xlsx")


def test_categories_and_similarities_in_tables(tmp_path: Path) -> None:
    kinds = written(tmp_path / "k.csv", "word,kind\nant,i\nbee,i\ncat,p\ndog,p\n")
    assert read_any(f"{kinds}:kind").distances().dissimilarities.tolist() == [[0, 1, 1, 1, 1, 0]]
    with pytest.raises(UserError, match=r"no column of numbers; for categories write .*:kind"):
        read_any(kinds)
    order = [3, 1, 0, 4, 2]
    rows = [f"{word}," + ",".join(map(str, 1 - SQUARE[i][order])) for i, word in enumerate(WORDS)]
    header = "Word," + ",".join(WORDS[i] for i in order)
    matrix = written(tmp_path / "m.csv", "\n".join([header, *rows]))
    assert read_any(matrix).distances().dissimilarities == pytest.approx(RDM.dissimilarities, abs=1e-12)
    matrix.write_text(matrix.read_text().replace("ant,dog", "ant,fox").replace("Word,dog", "Word,fox"))
    with pytest.raises(UserError, match="other words: 'dog', 'fox'"):
        read_any(matrix)


def test_text_matrices_and_their_names(tmp_path: Path) -> None:
    one = written(tmp_path / "p1.txt", " ".join(WORDS) + "\n" + text_of(1 - SQUARE))
    assert read_any(one).distances().dissimilarities == pytest.approx(RDM.dissimilarities, abs=1e-12)
    folder = tmp_path / "roi"
    folder.mkdir()
    for person in "ab":
        written(folder / f"sub_{person}.txt", text_of(1 - SQUARE))
    with pytest.raises(UserError, match="rows have no names"):
        read_any(folder)
    for found in (read_any(folder, names=WORDS), read_any(folder / "sub_*.txt", names=WORDS)):
        assert found.rdms and found.rdms.participants == ("sub_a", "sub_b") and len(found.notes) == 1
    written(folder / "words.txt", "\n".join(WORDS))
    assert read_any(folder).words == WORDS == read_words(folder / "words.txt")
    written(folder / "sub_c.txt", text_of(1 - SQUARE[:4, :4]))
    with pytest.raises(UserError, match=r"sub_c\.txt: 4 rows for 5 words"):
        read_any(folder)


def test_what_the_toolbox_saved(tmp_path: Path) -> None:
    stack = Rdms(WORDS, np.stack([RDM.dissimilarities[0], RDM.dissimilarities[0] + 1]), ("p", "q"))
    stack.toolbox().save(str(tmp_path / "t.hdf5"))
    found = read_any(tmp_path / "t.hdf5").rdms
    assert found and (found.words, found.participants) == (WORDS, ("p", "q"))
    assert (found.dissimilarities == stack.dissimilarities).all()
    with pytest.raises(UserError, match="not an HDF5 file"):
        read_any(written(tmp_path / "x.h5", "nothing"))


def test_neighbours_know_their_names() -> None:
    # nearest to the left and right on a line of angles
    angles = np.array([0.0, 0.1, 0.3, 0.6, 1.5])
    found = nearest_neighbours(
        from_vectors(WORDS, np.column_stack([np.cos(angles), np.sin(angles)])), ["ant", "dog"], 2
    )
    assert found == {"ant": ["bee", "cat"], "dog": ["cat", "bee"]}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", table().replace("k," + str(VECTORS[1, 0]), "k,"), r"a\.csv, row 3 \('bee'\), column 'x': is blank"),
        ("a.csv", table().replace(str(VECTORS[2, 1]), "n/a"), r"row 4 \('cat'\), column 'y': 'n/a' is not a number"),
        ("a.csv", table().replace(str(VECTORS[2, 1]), "nan"), "'nan' is not a number"),
        ("a.csv", table() + "fox,k,1,2\n", "row 7: 4 cells where the header has 6"),
        ("a.csv", table() + "ant,k,1,2,3,4\n", "duplicate words: 'ant'"),
        ("a.csv", table("Word,x,x,y,z,w"), "columns that stand twice: 'x'"),
        ("a.csv", "word,x\n", "needs a header and rows"),
        ("a.txt", "1 2\n3 1 4\n", "not a matrix of numbers"),
        ("a.txt", "a b\n1 2 3\n4 5 6\n", "not square: 2 rows, 3 columns"),
        ("a.txt", "a b\n1 0.5\n0.4 1\n", "not symmetric, for example at 'a', 'b'"),
        ("a.npz", "nothing", "cannot be opened as an npz"),
        ("a.npy", "nothing", r"unknown kind of file '\.npy'; known: \.npz, \.csv"),
        ("a.xlsx", "nothing", "not an xlsx workbook"),
    ],
)
def test_what_is_no_such_file_is_said_in_one_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        read_any(written(tmp_path / name, text))
    assert "\n" not in str(caught.value)


def test_npz_that_is_refused(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, object], str]] = [
        ({"words": np.array(WORDS, dtype=object), "vectors": VECTORS}, "pickled"),
        ({"words": WORDS}, "needs `words` and one of .* it has 'words'"),
        ({"words": np.arange(5), "vectors": VECTORS}, "`words` must be a list of text, not int64"),
        ({"words": WORDS, "vectors": VECTORS[:3]}, r"shape \(3, 4\) for 5 words"),
        ({"words": WORDS, "rdm": SQUARE[:4]}, "expected square"),
        ({"words": WORDS, "vectors": VECTORS.astype(str)}, "not numbers"),
        ({"words": WORDS, "rdm": np.zeros((0, 5, 5))}, "there is no participant"),
        ({"words": WORDS, "rdm": SQUARE[None], "participants": ["a", "b"]}, "2 names of participants for 1 matrices"),
    ]
    for arrays, said in cases:
        with pytest.raises(UserError, match=said):
            read_any(npz(tmp_path / "a.npz", **arrays)).distances()
    with open(tmp_path / "c.npz", "wb") as file:
        np.save(file, VECTORS)
    with pytest.raises(UserError, match="one array without names"):
        read_any(tmp_path / "c.npz")
    with pytest.raises(UserError, match="no such file"):
        read_any(tmp_path / "b.npz")


def test_two_sessions_of_a_participant_keep_two_names(tmp_path: Path) -> None:
    stack = np.stack([SQUARE, SQUARE**2, SQUARE**3])
    found = read_any(npz(tmp_path / "a.npz", words=WORDS, rdm=stack, participants=["s", "s", "t"])).rdms
    assert found and found.participants == ("s", "s (2)", "t")
