"""Small models as they are saved: a file that lost whole layers is refused, whatever the kind of layer."""

import re
from pathlib import Path

import pytest
import torch

from probing_vlp.errors import UserError
from probing_vlp.scorers import load_scorer
from probing_vlp.training.zoo import ARCHITECTURES, SPECIAL, Sizes, save_network

SIZES = Sizes(words=8, features=6, hidden=16, layers=2, heads=2)
WORDS = [*SPECIAL, "dog", "cat", "mat"]
LAYER = re.compile(r"(.*layers?)\.(\d+)\.")


@pytest.mark.parametrize(
    ("arch", "kinds"),
    [("uniter", 1), ("rosita", 1), ("vilbert", 3), ("lxmert", 3)],  # two streams: text, image, both
)
def test_a_file_without_its_last_layer(arch: str, kinds: int, tmp_path: Path) -> None:
    network = ARCHITECTURES[arch].network(SIZES)
    save_network(tmp_path, arch, network, SIZES, WORDS, {})
    load_scorer(arch, checkpoint=tmp_path)
    state = network.state_dict()
    found = [match.groups() for match in map(LAYER.match, state) if match]
    last = {kind: max(int(number) for of, number in found if of == kind) for kind, _ in found}
    assert len(last) == kinds
    for kind, number in last.items():
        left = {key: weight for key, weight in state.items() if not key.startswith(f"{kind}.{number}.")}
        torch.save(ARCHITECTURES[arch].container(left), tmp_path / ARCHITECTURES[arch].checkpoint)
        with pytest.raises(UserError, match=re.escape(ARCHITECTURES[arch].checkpoint)):
            load_scorer(arch, checkpoint=tmp_path)
