"""Checkpoints: bit for bit there and back, and what is not one."""

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from probing_vlp.checkpoints import Checkpoint
from probing_vlp.errors import UserError

TENSORS = {
    "model.w": torch.tensor([[1.0, -0.0], [float("nan"), 1e-45]]),
    "model.n": torch.tensor(3),
    "adam_step.w": torch.zeros(0),
    "model.half": torch.tensor([1.5], dtype=torch.bfloat16),
    "modelled": torch.ones(1),
}
STATE = {"step": 3, "best": 0.1 + 0.2, "words": ["a", "犬"], "worst": float("-inf")}


def test_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.safetensors"
    Checkpoint(TENSORS, STATE).save(path)
    found = Checkpoint.load(path)
    assert found.state == STATE
    assert found.tensors.keys() == TENSORS.keys()
    for key, tensor in TENSORS.items():
        assert found.tensors[key].dtype == tensor.dtype and found.tensors[key].shape == tensor.shape
        assert torch.equal(found.tensors[key].nan_to_num(7.0), tensor.nan_to_num(7.0))
    assert [each.name for each in path.parent.iterdir()] == ["last.safetensors"]


def test_the_same_state_gives_the_same_bytes(tmp_path: Path) -> None:
    Checkpoint(TENSORS, STATE).save(tmp_path / "a")
    Checkpoint(dict(reversed(TENSORS.items())), dict(reversed(STATE.items()))).save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_groups() -> None:
    model = torch.nn.Linear(2, 3)
    flat = Checkpoint.flatten(model=model.state_dict(), adam={"w": torch.ones(2, 3).t()})
    assert set(flat) == {"model.weight", "model.bias", "adam.w"}
    assert all(tensor.is_contiguous() and not tensor.requires_grad for tensor in flat.values())
    assert set(Checkpoint(TENSORS, {}).group("model")) == {"w", "n", "half"}  # not "modelled"


@pytest.mark.parametrize("share", [0, 0.001, 0.2, 0.5, 0.9, 0.999])
def test_cut_files_are_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "last.safetensors"
    Checkpoint({"model.w": torch.ones(100)}, {"step": 1}).save(path)
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(UserError, match=r"last\.safetensors: not a checkpoint of this project"):
        Checkpoint.load(path)


def test_foreign_files_are_refused_and_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "x"

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "sprung",)

    pickled = pickle.dumps(Trap())
    torch.save({"model": torch.ones(2)}, tmp_path / "torch.pt")
    foreign = [pickled, (tmp_path / "torch.pt").read_bytes(), b"hello", json.dumps({"a": 1}).encode(), b"\0" * 100, b""]
    for content in foreign:
        path.write_bytes(content)
        with pytest.raises(UserError, match="x: not a checkpoint of this project") as caught:
            Checkpoint.load(path)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"state": "{"}, {"state": "[1]"}])
def test_safetensors_of_somebody_else(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save_file({"w": torch.ones(2)}, tmp_path / "x.safetensors", metadata)
    with pytest.raises(UserError, match="not a checkpoint of this project"):
        Checkpoint.load(tmp_path / "x.safetensors")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such checkpoint; train one first"):
        Checkpoint.load(tmp_path / "none")
    with pytest.raises(UserError, match="not a checkpoint"):
        Checkpoint.load(tmp_path)
