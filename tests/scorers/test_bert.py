"""The shared blocks against transformers' BERT, in float64, with weights in which every parameter matters."""

import pytest
import torch
from region_toys import toy_weights
from torch import Tensor
from transformers import BertConfig, BertModel

from probing_vlp.errors import UserError
from probing_vlp.scorers._bert import Attention, Encoder, Intermediate, Pooler, TextEmbeddings, additive_mask, attend

SIZES = {"hidden_size": 24, "num_attention_heads": 4, "intermediate_size": 40, "num_hidden_layers": 3}


@pytest.fixture(scope="module", params=["gelu", "relu", "swish"])
def theirs(request: pytest.FixtureRequest) -> BertModel:
    config = BertConfig(
        **SIZES, vocab_size=30, max_position_embeddings=16, layer_norm_eps=1e-12, hidden_act=request.param
    )
    model = BertModel(config).double().eval()  # type: ignore[no-untyped-call]
    model.load_state_dict(toy_weights(model.state_dict()), strict=False)
    return model


def test_blocks_are_berts(theirs: BertModel) -> None:
    embeddings, pooler = TextEmbeddings(30, 16, 2, 24), Pooler(24, 24)
    encoder = Encoder(24, heads=4, wide=40, layers=3, act=theirs.config.hidden_act)
    for name, ours in {"embeddings": embeddings, "encoder": encoder, "pooler": pooler}.items():
        ours.double().eval().load_state_dict(theirs.get_submodule(name).state_dict())
    ids = torch.tensor([[2, 5, 7, 9, 3], [2, 8, 3, 0, 0]])
    words = ids > 0
    with torch.no_grad():
        wanted = theirs(ids, attention_mask=words.long())
        hidden = encoder(embeddings(ids), additive_mask(words, torch.float64))
        assert (hidden - wanted.last_hidden_state)[words].abs().max() < 1e-12
        assert (pooler(hidden) - wanted.pooler_output).abs().max() < 1e-12
        first = encoder.first(embeddings(ids), additive_mask(words, torch.float64))
        assert (first - wanted.last_hidden_state[:, :1]).abs().max() < 1e-12


def test_padding_does_not_reach_what_is_there() -> None:
    torch.manual_seed(0)
    queries, keys, values = torch.randn(3, 2, 5, 8)
    there = torch.tensor([[True] * 5, [True, True, True, False, False]])
    whole = attend(queries, keys, values, additive_mask(there, queries.dtype), heads=2)
    alone = attend(queries[1:, :3], keys[1:, :3], values[1:, :3], torch.zeros(1, 1, 1, 3), heads=2)
    assert torch.allclose(whole[1:, :3], alone, atol=1e-6)


def test_attention_by_hand() -> None:
    """One head, two keys: logits 1 * 2 / sqrt(1) and 1 * 4; weights e^2 and e^4 over their sum."""
    attended = attend(
        torch.ones(1, 1, 1), torch.tensor([[[2.0], [4.0]]]), torch.tensor([[[10.0], [20.0]]]), torch.zeros(1), 1
    )
    e2, e4 = torch.tensor([2.0, 4.0]).exp()
    assert attended.item() == pytest.approx(((10 * e2 + 20 * e4) / (e2 + e4)).item())


def test_gelu_is_the_exact_one() -> None:
    layer = Intermediate(1, 1, "gelu")
    layer.load_state_dict({"dense.weight": torch.ones(1, 1), "dense.bias": torch.zeros(1)})
    x: Tensor = torch.tensor([[0.5]], dtype=torch.float64)
    # 0.5 * Phi(0.5) = 0.5 * 0.6914624612740131; the tanh form gives 0.345714
    assert layer.double()(x).item() == pytest.approx(0.34573123063700655, abs=1e-12)


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(UserError, match="24 hidden units cannot be shared by 5 attention heads"):
        Attention(24, 24, 24, 5)
    with pytest.raises(UserError, match="hidden_act 'tanh' is not one of gelu, relu, swish"):
        Intermediate(2, 3, "tanh")
