"""What scores hang on: the files that a scorer's options name, by their contents."""

from hashlib import sha256
from pathlib import Path

from probing_vlp.commands.scoring import weights_of


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def test_weights_are_told_by_their_contents(tmp_path: Path) -> None:
    folder = tmp_path / "mini" / "deep"
    folder.mkdir(parents=True)
    (tmp_path / "u.pt").write_bytes(b"weights")
    (folder / "b.json").write_bytes(b"{}")
    (tmp_path / "mini" / "a.pt").write_bytes(b"one")
    options = {
        "uniter": {"checkpoint": str(tmp_path / "u.pt"), "score": "rank", "region_file": str(tmp_path / "u.pt")},
        "clip": {"checkpoint": str(tmp_path / "mini")},
        "vilt": {"checkpoint": "some/hub-id"},
        "cider": {},
    }
    found = weights_of(options)
    tree = f"a.pt {digest(b'one')}\ndeep/b.json {digest(b'{}')}\n"
    assert found == {"uniter": {"checkpoint": digest(b"weights")}, "clip": {"checkpoint": digest(tree.encode())}}
    (tmp_path / "mini" / "a.pt").write_bytes(b"two")
    assert weights_of(options)["clip"] != found["clip"]
