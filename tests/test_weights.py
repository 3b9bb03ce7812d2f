"""Checkpoints that are read safely and loaded strictly."""

import json
import pickle
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from probing_vlp.errors import UserError
from probing_vlp.scorers._weights import (
    load_strictly,
    place,
    read_checkpoint,
    read_config,
    state_dict,
)

WEIGHTS = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(2)}


def test_formats(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "zip.pt")
    torch.save(WEIGHTS, tmp_path / "old.bin", _use_new_zipfile_serialization=False)  # before torch 1.6
    save_file(WEIGHTS, tmp_path / "new.safetensors")
    for name in ("zip.pt", "old.bin", "new.safetensors"):
        found = read_checkpoint(tmp_path / name)
        assert found.keys() == WEIGHTS.keys()
        assert all(torch.equal(found[key], WEIGHTS[key]) for key in WEIGHTS)


@pytest.mark.parametrize("name", ["zip.pt", "old.bin", "new.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_cut_file_is_named(name: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / name
    large = {"weight": torch.zeros(200, 300)}
    if name == "new.safetensors":
        save_file(large, path)
    else:
        torch.save(large, path, _use_new_zipfile_serialization=name == "zip.pt")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UserError, match=f"{name}: not a whole checkpoint .*download it again"):
        read_checkpoint(path)


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent.pt: no such checkpoint; give the published file"):
        read_checkpoint(tmp_path / "absent.pt")
    with pytest.raises(UserError, match="no such checkpoint"):
        read_checkpoint(tmp_path)
    (tmp_path / "page.pt").write_text("<html>404</html>")
    with pytest.raises(UserError, match=r"page.pt: not a whole checkpoint"):
        read_checkpoint(tmp_path / "page.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_objects_need_trust(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "objects.pt"
    torch.save({**WEIGHTS, "args": Fraction(1, 2)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r"holds pickled objects besides weights.*fractions.Fraction.*--trust-pickle"):
        read_checkpoint(path)
    assert read_checkpoint(path, trust_pickle=True)["args"] == Fraction(1, 2)


@pytest.mark.filterwarnings("error")
def test_a_plain_pickle_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "plain.pkl"
    path.write_bytes(pickle.dumps({"a": Fraction(1, 2)}))
    with pytest.raises(UserError, match=r"plain.pkl: holds pickled objects besides weights.*--trust-pickle"):
        read_checkpoint(path)


def test_old_names() -> None:
    found = {"module.a.gamma": torch.ones(1), "module.a.beta": torch.zeros(1), "epoch": 3}
    assert state_dict(found, "x.pt").keys() == {"a.weight", "a.bias"}
    assert state_dict(found, "x.pt", rename=str.upper).keys() == {"A.WEIGHT", "A.BIAS"}


def test_no_state_dict() -> None:
    with pytest.raises(UserError, match=r"x.pt: holds list, not a dictionary of weights"):
        state_dict([1], "x.pt")
    with pytest.raises(UserError, match=r"x.pt: holds no weights at its top level, but model, epoch"):
        state_dict({"model": WEIGHTS, "epoch": 3}, "x.pt")


def test_strict_loading() -> None:
    model = nn.Linear(3, 2)
    load_strictly(model, {**WEIGHTS, "head.weight": torch.ones(1)}, "x.pt", "a line", ignore=("head.",))
    assert torch.equal(model.weight, WEIGHTS["weight"])
    other = {"Weight": WEIGHTS["weight"] + 1, "Bias": WEIGHTS["bias"]}
    load_strictly(model, other, "x.pt", "a line", called=str.capitalize)
    assert torch.equal(model.weight, WEIGHTS["weight"] + 1)


def test_everything_that_does_not_fit_is_listed() -> None:
    wrong = {"weight": torch.zeros(2, 4), "spare": torch.zeros(1)}
    sizes = r"of another size: weight \(2, 4\) instead of \(2, 3\)"
    message = rf"x.pt: does not fit a line: missing: bias; unexpected: spare; {sizes}; check"
    with pytest.raises(UserError, match=message):
        load_strictly(nn.Linear(3, 2), wrong, "x.pt", "a line")
    many = {f"w{i:02}": torch.zeros(1) for i in range(20)}
    with pytest.raises(UserError, match=r"w00, w01, .*w11 and 8 more \(20 in all\)"):
        load_strictly(nn.Linear(3, 2), WEIGHTS | many, "x.pt", "a line")


def test_configs(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"size": 3, "more": 4}))
    assert read_config(path, ("size",)) == {"size": 3, "more": 4}
    for text, message in (
        ('{"more": 4}', "config.json: not a config of this model: it has no size"),
        ("[3]", "it has no size"),
        ("{", "config.json: not JSON"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            read_config(path, ("size",))
    with pytest.raises(UserError, match="no such model config"):
        read_config(tmp_path / "absent.json", ("size",))


def test_weights_are_stored_in_the_precision_asked_for() -> None:
    model = place(nn.Linear(3, 2), "cpu", "bfloat16")
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    assert not model.training and not any(weight.requires_grad for weight in model.parameters())
    with pytest.raises(UserError, match="dtype 'int8' is not one of float32, bfloat16, float64"):
        place(nn.Linear(3, 2), "cpu", "int8")
