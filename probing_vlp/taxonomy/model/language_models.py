"""Frozen causal language models of transformers: embeddings in, logits out; pretrained, or drawn anew from a seed.

A question is read as tokens of "QUESTION Yes" and "QUESTION No": what the question alone and both of these begin with
is the prompt, what is left of each is that answer, of one token or more.  So every text is tokenised as the model knows
it.  A tokenizer that has a beginning-of-text token puts it first; without one (Qwen) the question's first piece stands
first.  No chat template, as in the paper.

The control is the same architecture with weights as transformers initialises them (paper: random_init_llm), and the
same tokenizer; everything else is identical.
"""

import contextlib
import copy
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from probing_vlp.errors import UserError
from probing_vlp.taxonomy.model.frozen import fingerprint
from probing_vlp.taxonomy.model.options import WEIGHTS
from probing_vlp.taxonomy.prompts import ANSWERS


def alike_for(sequences: Sequence[Sequence[int]]) -> int:
    """How many tokens all of them begin with alike."""
    first, last = min(map(tuple, sequences)), max(map(tuple, sequences))  # whatever lies between begins alike too
    length = min(len(first), len(last))
    return next((place for place in range(length) if first[place] != last[place]), length)


@dataclass(frozen=True)
class Prompt:
    """Token ids of a question, and those of the answers that may follow it, in the order of `ANSWERS`."""

    ids: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]


@dataclass
class LanguageModel:
    """A frozen language model and its tokenizer."""

    network: Any
    tokenizer: Any
    described: dict[str, Any] = field(default_factory=dict)
    _prompts: dict[str, Prompt] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.network.eval().requires_grad_(False)
        self.first: int | None = self.tokenizer.bos_token_id
        self.end: int | None = self.tokenizer.eos_token_id
        self._takes = set(inspect.signature(self.network.forward).parameters)

    @property
    def width(self) -> int:
        """Width of the input embeddings."""
        return int(self.network.get_input_embeddings().weight.shape[1])

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        found: torch.device = self.network.get_input_embeddings().weight.device
        return found

    @property
    def longest(self) -> int:
        """Positions that it was made for; very many if its config does not say."""
        return int(getattr(self.network.config, "max_position_embeddings", None) or 1 << 30)

    def prompt(self, text: str) -> Prompt:
        """Tokens of a question and of its answers; UserError if they do not tell the answers apart."""
        if text not in self._prompts:
            self._prompts[text] = self._tokenize(text)
        return self._prompts[text]

    def _tokenize(self, text: str) -> Prompt:
        alone, *whole = (self._ids(each) for each in (text, *(f"{text} {answer}" for answer in ANSWERS)))
        lead = alike_for([alone, *whole])
        answers = tuple(tuple(ids[lead:]) for ids in whole)
        if len(set(answers)) < len(ANSWERS) or not all(answers):
            raise UserError(
                f"{self.described.get('source', 'the language model')}: its tokenizer reads {' and '.join(ANSWERS)} "
                f"after '{text}' as the same tokens; it cannot answer"
            )
        return Prompt((*([] if self.first is None else [self.first]), *alone[:lead]), answers)

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def embed(self, ids: Tensor) -> Tensor:
        """Input embeddings (..., H) of token ids."""
        found: Tensor = self.network.get_input_embeddings()(ids)
        return found

    def read(self, embeddings: Tensor) -> Any:
        """The cache of keys and values after (B, L, H), rows without padding; gradients flow through it."""
        cache = self.network(inputs_embeds=embeddings, use_cache=True, **self._only(logits_to_keep=1)).past_key_values
        if not hasattr(cache, "batch_select_indices"):
            raise UserError(f"{self.network.config.model_type}: its cache cannot be shared; give --share_prefix false")
        if cache.get_seq_length() != embeddings.shape[1]:
            raise RuntimeError("the language model has not kept what it read")
        return cache

    def logits(self, embeddings: Tensor, mask: Tensor, positions: Tensor, keep: int, cache: Any = None) -> Tensor:
        """(B, keep, V) float32 at the last `keep` places of (B, L, H); `mask` (B, past + L) is True for what counts."""
        found = self.network(
            inputs_embeds=embeddings,
            attention_mask=mask.long(),
            past_key_values=cache,
            use_cache=cache is not None,
            **self._only(position_ids=positions, logits_to_keep=keep),
        ).logits
        return found[:, -keep:].float()

    def _only(self, **options: Any) -> dict[str, Any]:
        """Those that this architecture takes; what has no positions of its own counts them by the mask."""
        return {name: value for name, value in options.items() if name in self._takes}

    @contextlib.contextmanager
    def checkpointed_gradients(self) -> Iterator[None]:
        """Activations are computed again in the backward pass; dropout stays off: only the layers' own switch is set.

        A network in that state throws its cache away, so it must not read anything shared (`VLM.share`).
        """
        from transformers.modeling_layers import GradientCheckpointingLayer

        layers = [each for each in self.network.modules() if isinstance(each, GradientCheckpointingLayer)]
        self.network.activation_checkpointing_enable({"use_reentrant": False})
        try:
            for layer in layers:
                layer.training = True
            yield
        finally:
            self.network.activation_checkpointing_disable()
            for layer in layers:
                layer.training = False


def load_language_model(
    source: str, weights: str = "pretrained", seed: int = 0, device: torch.device | str = "cpu", dtype: str = "float32"
) -> LanguageModel:
    """The model of a folder or hub id; "random" draws its weights anew from `seed`.

    UserError for a folder that holds none, cut weights and an unknown kind of `weights`.
    """
    from probing_vlp.hub import DTYPES, load_model

    if weights not in WEIGHTS:
        raise UserError(f"--lms {weights}: is none of {', '.join(WEIGHTS)}")
    network, tokenizer = load_model(source, "AutoModelForCausalLM", (), "cpu", dtype, "AutoTokenizer")
    if weights == "random":
        network = redrawn(network, seed).to(DTYPES[dtype])
    described = {
        "source": source,
        "weights": weights,
        "seed": seed if weights == "random" else None,
        "kind": network.config.model_type,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "dtype": dtype,
        "sha256": fingerprint(network),
    }
    return LanguageModel(network.to(device), tokenizer, described)


def redrawn(network: Any, seed: int) -> nn.Module:
    """A model of the same config with weights as transformers initialises them, drawn from `seed`."""
    import transformers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = copy.deepcopy(network.config)
        found: nn.Module = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return found
