"""Post-norm BERT blocks that the region models share.  B rows, T tokens (or regions), H hidden.

Parameter names are BERT's own (`attention.self.query`, `attention.output.LayerNorm`, `intermediate.dense`, ...), so
that authors' checkpoints load with the fewest renamings.  GELU is the exact one (erf), LayerNorm's epsilon 1e-12, masks
are additive: 0 where a token counts, MASKED where it does not.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from probing_vlp.errors import UserError

EPSILON = 1e-12
MASKED = -10000.0
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "relu": functional.relu,
    "swish": functional.silu,
}


def activation(name: object) -> Callable[[Tensor], Tensor]:
    """The function that a config's `hidden_act` names; UserError if there is none."""
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise UserError(f"hidden_act '{name}' is not one of {', '.join(ACTIVATIONS)}; check the model config")
    return ACTIVATIONS[name]


def additive_mask(there: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, 1, 1, T) to add to attention logits, from booleans (B, T)."""
    return (~there)[:, None, None, :].to(dtype) * MASKED


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, heads: int) -> Tensor:
    """Scaled dot-product attention (B, T, H) of queries (B, T, H) over keys and values (B, S, H); mask (B, 1, 1, S)."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (queries, keys, values))
    logits = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + mask
    return (logits.softmax(-1) @ v).transpose(1, 2).flatten(2)


def check_heads(size: int, heads: int) -> int:
    """`heads`; UserError if they cannot share `size` hidden units evenly."""
    if heads < 1 or size % heads:
        raise UserError(f"{size} hidden units cannot be shared by {heads} attention heads; check the model config")
    return heads


class Attention(nn.Module):
    """Multi-head attention of queries (B, T, `query_size`) over keys (B, S, `key_size`), `size` units wide.

    No output map: BERT keeps it in a module of its own (`Residual`).
    """

    def __init__(self, query_size: int, key_size: int, size: int, heads: int) -> None:
        super().__init__()
        self.heads = check_heads(size, heads)
        self.query = nn.Linear(query_size, size)
        self.key = nn.Linear(key_size, size)
        self.value = nn.Linear(key_size, size)

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """(B, T, size); mask (B, 1, 1, S) is added to the logits."""
        return attend(self.query(queries), self.key(keys), self.value(keys), mask, self.heads)


class Residual(nn.Module):
    """LayerNorm(dense(x) + y): how every sub-layer of BERT ends."""

    def __init__(self, size_in: int, size_out: int) -> None:
        super().__init__()
        self.dense = nn.Linear(size_in, size_out)
        self.LayerNorm = nn.LayerNorm(size_out, eps=EPSILON)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x (B, T, size_in), y (B, T, size_out)."""
        out: Tensor = self.LayerNorm(self.dropout(self.dense(x)) + y)
        return out


class Intermediate(nn.Module):
    """The widening half of the feed-forward part."""

    def __init__(self, size: int, wide: int, act: str) -> None:
        super().__init__()
        self.dense = nn.Linear(size, wide)
        self.act = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, size) to (B, T, wide)."""
        return self.act(self.dense(x))


class SelfAttention(nn.Module):
    """Self-attention with its residual; `self` is BERT's name for the attention."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.add_module("self", Attention(size, size, size, heads))
        self.output = Residual(size, size)

    def forward(self, x: Tensor, mask: Tensor, keys: Tensor | None = None) -> Tensor:
        """x (B, T, H), mask (B, 1, 1, T); `keys` (B, S, H) are x itself, or what x is a part of."""
        attention: nn.Module = self._modules["self"]  # type: ignore[assignment]
        out: Tensor = self.output(attention(x, x if keys is None else keys, mask), x)
        return out


class BertLayer(nn.Module):
    """One layer of BERT: self-attention, then the feed-forward part."""

    def __init__(self, size: int, heads: int, wide: int, act: str = "gelu") -> None:
        super().__init__()
        self.attention = SelfAttention(size, heads)
        self.intermediate = Intermediate(size, wide, act)
        self.output = Residual(wide, size)

    def forward(self, x: Tensor, mask: Tensor, keys: Tensor | None = None) -> Tensor:
        """x (B, T, H), mask (B, 1, 1, T); `keys` (B, S, H) are x itself, or what x is a part of."""
        x = self.attention(x, mask, keys)
        out: Tensor = self.output(self.intermediate(x), x)
        return out


class Encoder(nn.Module):
    """`layers` layers of BERT."""

    def __init__(self, size: int, heads: int, wide: int, layers: int, act: str = "gelu") -> None:
        super().__init__()
        self.layer = nn.ModuleList([BertLayer(size, heads, wide, act) for _ in range(layers)])

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, H), mask (B, 1, 1, T)."""
        for layer in self.layer:
            x = layer(x, mask)
        return x

    def first(self, x: Tensor, mask: Tensor) -> Tensor:
        """What becomes of the first token alone, (B, 1, H): the last layer need not make the others."""
        *before, last = self.layer
        for layer in before:
            x = layer(x, mask)
        out: Tensor = last(x[:, :1], mask, x)
        return out


class TextEmbeddings(nn.Module):
    """Word, position and type embeddings, summed and normalised."""

    def __init__(self, words: int, positions: int, types: int, size: int) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(words, size)
        self.position_embeddings = nn.Embedding(positions, size)
        self.token_type_embeddings = nn.Embedding(types, size)
        self.LayerNorm = nn.LayerNorm(size, eps=EPSILON)
        self.dropout = nn.Dropout(0.1)

    def sum(self, ids: Tensor) -> Tensor:
        """(B, T, H) before the LayerNorm, of word ids (B, T); all tokens are of type 0."""
        positions = torch.arange(ids.shape[1], device=ids.device)
        types = self.token_type_embeddings.weight[0]
        out: Tensor = self.word_embeddings(ids) + self.position_embeddings(positions) + types
        return out

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T, H) from word ids (B, T)."""
        out: Tensor = self.dropout(self.LayerNorm(self.sum(ids)))
        return out


class Pooler(nn.Module):
    """The first token through a dense layer and `act`."""

    def __init__(self, size_in: int, size_out: int, act: Callable[[Tensor], Tensor] = torch.tanh) -> None:
        super().__init__()
        self.dense = nn.Linear(size_in, size_out)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """(B, size_out) from (B, T, size_in)."""
        return self.act(self.dense(x[:, 0]))
