"""Feature folders: rows, bad input, and a writer that is killed."""

import errno
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from probing_vlp.data.features import FeatureIndex, FeatureStore, FeatureWriter, partial_folder
from probing_vlp.errors import UserError

IDS = (7, 3, 900000000001, 5)
VALUES = np.arange(12, dtype=np.float32).reshape(4, 3)


def index(dim: int = 3, backbone: str = "toy", dtype: str = "float32", ids: tuple[int, ...] = IDS) -> FeatureIndex:
    return FeatureIndex(backbone, dim, dtype, ids, tuple(f"{i}.jpg" for i in ids), {"size": "8"})


def write(path: Path, dtype: str = "float32") -> FeatureStore:
    writer = FeatureWriter(path, index(dtype=dtype))
    writer.write(VALUES[:3])
    writer.write(VALUES[3:])
    return writer.finish()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_rows_come_in_the_order_asked_for(tmp_path: Path, dtype: str) -> None:
    store = write(tmp_path / "f", dtype)
    rows = store.rows([5, 7, 5])
    assert rows.dtype == np.float32
    assert rows.tolist() == [[9, 10, 11], [0, 1, 2], [9, 10, 11]]
    assert (store.dim, store.backbone, store.image_ids, len(store)) == (3, "toy", IDS, 4)
    assert store.rows([]).shape == (0, 3)
    assert 3 in store and 4 not in store
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == ["features.npy", "index.json"]
    assert not partial_folder(tmp_path / "f").exists()


def test_a_copy_maps_the_file_again(tmp_path: Path) -> None:
    store = write(tmp_path / "f")
    data = pickle.dumps(store)
    assert len(data) < 500
    assert pickle.loads(data).rows([3]).tolist() == [[3, 4, 5]]


def test_a_store_larger_than_memory_allowed_is_read_row_by_row(tmp_path: Path) -> None:
    """4 GB (sparse) under an address space limit for data of 1 GB; RLIMIT_DATA does not count a read-only map."""
    pytest.importorskip("resource")
    rows, dim = 500_000, 2048
    writer = FeatureWriter(tmp_path / "small", index(dim, ids=(1,)))
    writer.write(np.ones((1, dim), np.float32))
    writer.finish()
    ids = tuple(range(rows))
    big = FeatureIndex("toy", dim, "float32", ids, ("",) * rows)
    (tmp_path / "big").mkdir()
    (tmp_path / "big/index.json").write_bytes(big.to_json())
    with open(tmp_path / "big/features.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (rows, dim)})
        file.truncate(file.tell() + rows * dim * 4)
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_DATA, ({1 << 30}, {1 << 30}))\n"
        "import sys; from probing_vlp.data.features import FeatureStore\n"
        f"assert FeatureStore.open(sys.argv[1]).rows([0, {rows - 1}]).sum() == 0\n"
        "assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "big")], check=True, env=environment)


def test_unknown_images_are_named(tmp_path: Path) -> None:
    store = write(tmp_path / "f")
    with pytest.raises(UserError, match=r"no features of 2 image\(s\): 8, 9; it holds 4 images"):
        store.rows([7, 8, 9, 8])


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / "index.json").unlink(), "no such feature index"),
        (lambda f: (f / "index.json").write_text("{}"), "not a feature index"),
        (lambda f: (f / "index.json").write_text("{"), "not a feature index"),
        (lambda f: (f / "features.npy").unlink(), "not a whole .npy file"),
        (lambda f: os.truncate(f / "features.npy", 150), "not a whole .npy file"),
        (lambda f: (f / "features.npy").write_bytes(b""), "not a whole .npy file"),
        (lambda f: np.save(f / "features.npy", np.zeros((4, 2), np.float32)), r"holds float32 \(4, 2\), but index"),
    ],
)
def test_a_damaged_folder_is_one_line(tmp_path: Path, harm: object, message: str) -> None:
    write(tmp_path / "f")
    harm(tmp_path / "f")  # type: ignore[operator]
    with pytest.raises(UserError, match=message) as caught:
        FeatureStore.open(tmp_path / "f")
    assert "\n" not in str(caught.value)


def test_the_wrong_width_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "f")
    with pytest.raises(UserError, match="toy features of width 3, but width 2048 is needed"):
        FeatureStore.open(tmp_path / "f", dim=2048)


def test_an_unfinished_folder_is_not_opened_nor_overwritten(tmp_path: Path) -> None:
    writer = FeatureWriter(tmp_path / "f", index())
    writer.write(VALUES[:2])
    with pytest.raises(UserError, match=r"not finished.*--resume"):
        FeatureStore.open(tmp_path / "f")
    with pytest.raises(UserError, match="unfinished features are there"):
        FeatureWriter(tmp_path / "f", index())
    assert FeatureWriter(tmp_path / "f", index(), resume=True).done == 2
    write(tmp_path / "g")
    with pytest.raises(UserError, match="is there already, complete"):
        FeatureWriter(tmp_path / "g", index())
    assert FeatureWriter(tmp_path / "g", index(), resume=True).finish().rows([7]).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (index(backbone="resnet101"), r"another backbone \(toy there, resnet101 now\)"),
        (index(dim=4), r"another dim \(3 there, 4 now\)"),
        (index(dtype="float16"), "another dtype"),
        (index(ids=IDS[:2]), r"another image_ids \(4 and 2 of them\)"),
    ],
)
def test_resume_refuses_other_features(tmp_path: Path, other: FeatureIndex, message: str) -> None:
    FeatureWriter(tmp_path / "f", index()).write(VALUES[:2])
    with pytest.raises(UserError, match=message):
        FeatureWriter(tmp_path / "f", other, resume=True)
    write(tmp_path / "g")
    with pytest.raises(UserError, match=message):
        FeatureWriter(tmp_path / "g", other, resume=True)


def test_rows_of_another_width_are_a_bug(tmp_path: Path) -> None:
    writer = FeatureWriter(tmp_path / "f", index())
    with pytest.raises(ValueError, match=r"at most 4 rows of 3, got \(1, 2\)"):
        writer.write(np.zeros((1, 2), np.float32))
    with pytest.raises(ValueError, match="0 of 4 rows are written"):
        writer.finish()


def test_a_disk_that_is_too_small_says_so_at_once(tmp_path: Path) -> None:
    dim = shutil.disk_usage(tmp_path).free // 2  # x 4 bytes: twice what is free
    with pytest.raises(OSError, match=r"features\.npy") as caught:
        FeatureWriter(tmp_path / "f", index(dim))
    assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)
    assert list(tmp_path.iterdir()) == []


WRITE_FOR_EVER = """
import sys, numpy as np
from pathlib import Path
from probing_vlp.data.features import FeatureIndex, FeatureWriter
ids = tuple(range(400))
index = FeatureIndex("toy", 64, "float16", ids, ("",) * 400)
writer = FeatureWriter(Path(sys.argv[1]), index, resume=True)
while writer.done < 400:
    print(writer.done, flush=True)
    if writer.done == 350:
        input()  # nobody who means to kill it comes too late
    writer.write(np.random.default_rng(writer.done).random((5, 64)))
writer.finish()
"""


def test_killed_at_any_moment_it_ends_in_the_same_bytes(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", WRITE_FOR_EVER]
    whole = {"check": True, "env": environment, "stdout": subprocess.DEVNULL, "input": b"\n"}
    subprocess.run([*command, str(tmp_path / "whole")], **whole)
    for lines in (1, 2, 3, 5, 8, 13):
        process = subprocess.Popen(
            [*command, str(tmp_path / "cut")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        assert process.stdout and all(process.stdout.readline() for _ in range(lines))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    subprocess.run([*command, str(tmp_path / "cut")], **whole)
    for name in ("features.npy", "index.json"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not partial_folder(tmp_path / "cut").exists()


def test_a_kill_between_the_last_steps_is_mended(tmp_path: Path) -> None:
    writer = FeatureWriter(tmp_path / "f", index())
    writer.write(VALUES)
    os.replace(writer.partial / "plan.json", writer.partial / "index.json")  # killed here: not renamed yet
    again = FeatureWriter(tmp_path / "f", index(), resume=True)
    assert again.done == 4
    assert again.finish().rows([3]).tolist() == [[3, 4, 5]]


def test_a_kill_before_the_plan_starts_afresh(tmp_path: Path) -> None:
    partial_folder(tmp_path / "f").mkdir()
    (partial_folder(tmp_path / "f") / "features.npy").write_bytes(b"\x93NUM")
    assert FeatureWriter(tmp_path / "f", index()).done == 0


def test_the_index_says_what_the_contract_says(tmp_path: Path) -> None:
    write(tmp_path / "f")
    row = json.loads((tmp_path / "f/index.json").read_text())
    assert row == {
        "backbone": "toy",
        "dim": 3,
        "dtype": "float32",
        "image_ids": list(IDS),
        "file_names": [f"{i}.jpg" for i in IDS],
        "details": {"size": "8"},
    }
