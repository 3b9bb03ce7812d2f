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
from probing_vlp.scorers._kinds import SIGNS, check_model, count_layers
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


def test_trust_reads_what_pickle_itself_wrote(tmp_path: Path) -> None:
    """What the error above promises."""
    path = tmp_path / "plain.pkl"
    path.write_bytes(pickle.dumps(WEIGHTS))
    assert read_checkpoint(path, trust_pickle=True).keys() == WEIGHTS.keys()
    path.write_bytes(pickle.dumps({"a": Fraction(1, 2)}))
    with pytest.raises(UserError, match=r"plain.pkl: holds no weights at its top level, but a$"):
        state_dict(read_checkpoint(path, trust_pickle=True), path)


@pytest.mark.parametrize("name", ["page.pt", "page.safetensors"])
@pytest.mark.parametrize("trust", [True, False])
def test_files_that_hold_no_numbers_at_all(name: str, trust: bool, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("<html>\n<body>naïve: not found</body>" + "é" * 400)
    begins = "it is text, not a checkpoint: '<html> <body>naïve: not found</body>ééé"
    with pytest.raises(UserError, match=f"not a whole checkpoint .{begins}.*; download it again"):
        read_checkpoint(path, trust)
    path.write_bytes(b"")
    with pytest.raises(UserError, match=r"not a whole checkpoint \(it is empty\); download it again"):
        read_checkpoint(path, trust)


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_checkpoint(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: is a folder, and no such checkpoint; name the published file in it as checkpoint"
    )


def test_old_names() -> None:
    found = {"module.a.gamma": torch.ones(1), "module.a.beta": torch.zeros(1), "epoch": 3}
    assert state_dict(found, "x.pt").keys() == {"a.weight", "a.bias"}
    assert state_dict(found, "x.pt", rename=str.upper).keys() == {"A.WEIGHT", "A.BIAS"}


def test_no_state_dict() -> None:
    with pytest.raises(UserError, match=r"x.pt: holds list, not a dictionary of weights"):
        state_dict([1], "x.pt")
    with pytest.raises(UserError, match=r"x.pt: holds no weights at its top level, but model, epoch"):
        state_dict({"model": WEIGHTS, "epoch": 3}, "x.pt")
    with pytest.raises(UserError) as caught:
        state_dict({"epoch": 3, "state_dict": WEIGHTS}, "x.pt")
    assert str(caught.value) == (
        "x.pt: holds no weights at its top level, but epoch, state_dict; they stand under 'state_dict': save what is "
        "there alone, torch.save(torch.load(FILE)['state_dict'], NEW)"
    )
    with pytest.raises(UserError, match=r"x.pt: is empty: a dictionary without weights; download it again"):
        state_dict({}, "x.pt")
    with pytest.raises(UserError, match=r"x.pt: weights are called 1, \(2,\), not by names; it is no state dict"):
        state_dict({1: torch.zeros(1), (2,): torch.zeros(1), "a": torch.zeros(1)}, "x.pt")


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


@pytest.mark.parametrize(
    ("bias", "message"),
    [
        (torch.tensor([1.0, torch.nan]), "x.pt: NaN or infinity in bias; download it again, or train it anew"),
        (torch.tensor([1.0, torch.inf]), "x.pt: NaN or infinity in bias; download it again, or train it anew"),
        (torch.tensor([1.0, 1e300], dtype=torch.float64), "x.pt: NaN or infinity in bias; download it again"),
        (torch.tensor([1, 2], dtype=torch.int8), "x.pt: bias is of type int8; give a file of plain floating-point"),
        (torch.ones(2).to_sparse(), "x.pt: bias is sparse (torch.sparse_coo); give a file of plain floating-point"),
        (torch.ones(2, device="meta"), "x.pt: bias is without numbers (of the device meta); give a file of plain"),
    ],
)
def test_weights_that_are_no_finite_numbers(bias: torch.Tensor, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load_strictly(nn.Linear(3, 2), {**WEIGHTS, "bias": bias}, "x.pt", "a line")
    assert str(caught.value).startswith(message)


def layered(*numbers: int) -> dict[str, torch.Tensor]:
    return {f"bert.layer.{number}.bias": torch.zeros(1) for number in numbers}


def test_layers_are_counted_from_0_without_a_gap() -> None:
    def count(*numbers: int, published: int = 0) -> int:
        state = {"bert.pooler.bias": torch.zeros(1), **layered(*numbers)}
        return count_layers(state, "bert.layer.", "x.pt", "num_hidden_layers", published)

    assert count(0, 1, 2) == count(0, 1, 2, published=3) == 3
    assert count(*range(12), published=12) == 12
    for numbers, published, lacks in (
        ((), 0, "bert.layer.0;"),
        ((1, 2), 0, "bert.layer.0;"),
        ((0, 2), 0, "bert.layer.1;"),
        ((0, 1), 3, "bert.layer.2, of 3 in the published model of this width;"),
    ):
        with pytest.raises(UserError, match=f"x.pt: has no layer {lacks} is the file whole.*num_hidden_layers in its"):
            count(*numbers, published=published)
    with pytest.raises(UserError, match=r"x.pt: has a layer bert.layer.3, of 3 in the published model.*say so with"):
        count(0, 1, 2, 3, published=3)
    assert count_layers({"uniter.a": torch.zeros(1)}, "bert.layer.", "x.pt", "num_hidden_layers") == 1


@pytest.mark.parametrize("own", SIGNS)
@pytest.mark.parametrize("other", SIGNS)
def test_a_checkpoint_of_another_model_is_told_by_its_names(own: str, other: str) -> None:
    part, _, name = SIGNS[other].partition(".")
    flat, nested = {f"module.{SIGNS[other]}": torch.zeros(1)}, {"epoch": 3, part: {name: torch.zeros(1)}}
    for found in (flat, nested):
        if own == other:
            check_model(found, "x.pt", own)
            continue
        with pytest.raises(UserError) as caught:
            check_model(found, "x.pt", own)
        assert str(caught.value) == (
            f"x.pt: does not fit {own}, but looks like a checkpoint of {other}'s, missing: {SIGNS[own]}; unexpected: "
            f"{SIGNS[other]}; give it as the scorer {other.lower()}"
        )
    for nothing in ([], {}, {"a": torch.zeros(1)}, {1: torch.zeros(1)}):
        check_model(nothing, "x.pt", own)


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
