"""Any text encoder of transformers, or the text tower of a larger model; weights must all be there.

A folder as `save_pretrained` or sentence-transformers write it, or a hub id.  Layer 0 is the embeddings, the others
what each block gives (BERT, SimCSE, MCSE, MiniLM, RoBERTa, VisualBERT without an image, GPT-2, Llama, Qwen, T5's
encoder, ...).  CLIP, SigLIP and CLAP are loaded whole and their `text_model` is taken: transformers' `ClapTextModel`
reads no weight of a CLAP checkpoint and warns only, which the published study did not see.  Here missing weights of an
encoder are an error that lists them; poolers and heads, which are not used, may be missing or left over.

Last layer: before the final LayerNorm in CLIP and SigLIP, after it in GPT-2, Llama and Qwen; as transformers give it.
SigLIP reads texts padded to their longest, as it was trained.  Deviations from the paper: float32 throughout (theirs:
float16 for BERT and CLIP); sentences of one length together, so that nothing else is ever padded.
"""

import json
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from probing_vlp.errors import UserError
from probing_vlp.files import read_bytes
from probing_vlp.hub import hub_at_once, is_hub_id, load_model
from probing_vlp.similarity.encoders.base import Tokens, files_identity, overlapping
from probing_vlp.similarity.words.templates import Filled

SPARE = (
    r"(^|\.)pooler\.",
    r"(^|\.)(position_ids|token_type_ids)$",
    r"^(cls|lm_head|classifier|qa_outputs|score|mlp|sim|text_projection|vocab_\w+|pre_classifier)\b",
    r"\.attn\.(masked_)?bias$",
)
"""Weights that the hidden states do not depend on: poolers, heads, buffers."""
OWN_CLASS = re.compile(r"(Clap|CLIP|Siglip|Siglip2)TextModel(WithProjection)?")
"""Architectures that are a text tower by itself, which AutoModel does not know or would read wrongly."""
TOWERS = ("text_model", "language_model", "text_encoder")
PADDED = ("siglip_text_model", "siglip2_text_model")
PAPERS_TOKENIZER = {"visual_bert": "bert-base-uncased"}
"""For checkpoints that are published without a tokenizer."""
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model", "spm.model")
KEPT = (".safetensors", ".bin", ".json", ".txt", ".model", ".jinja")


class Loaded(NamedTuple):
    """The text tower and its tokenizer; `limit` counts tokens of the longest text."""

    tower: Any
    tokenizer: Any
    limit: float
    architecture: str


class TransformerText:
    """Hidden states of a transformers model; see the file's head."""

    has_twin: ClassVar[bool] = True
    name = "transformers"

    def __init__(
        self, checkpoint: str | Path, untrained_seed: int | None = None, device: str = "cpu", tokenizer: str = ""
    ) -> None:
        if not str(checkpoint):
            raise UserError("encoder 'transformers': which one? give transformers:FOLDER or transformers:HUB/ID")
        self.checkpoint = str(checkpoint)
        self.seed, self.device, self._tokenizer = untrained_seed, device, tokenizer

    @cached_property
    def where(self) -> str:
        """The folder that holds config.json, or the hub id; UserError if there is neither."""
        path = Path(self.checkpoint)
        if (path / "modules.json").is_file() and not (path / "config.json").is_file():
            return str(path / _sentence_transformer(path / "modules.json"))
        return self.checkpoint

    @cached_property
    def identity(self) -> str:
        """A hash of the folder's files, or the hub id at its revision."""
        made_of = [_identity(self.where), *([_identity(self._tokenizer)] if self._tokenizer else [])]
        return " ".join(made_of)

    @property
    def layers(self) -> tuple[str, ...]:
        """ "0" for the embeddings, then the blocks."""
        config = self._loaded.tower.config
        return tuple(map(str, range(config.num_hidden_layers + 1)))

    @property
    def about(self) -> dict[str, Any]:
        """Its class in transformers."""
        return {"architecture": self._loaded.architecture, "tower": type(self._loaded.tower).__name__}

    def tokens(self, filled: Filled) -> Tokens:
        """By the tokenizer's own offsets; UserError for more tokens than the model has places for."""
        tokenizer = self._loaded.tokenizer
        read = tokenizer(filled.text, return_offsets_mapping=True, truncation=False, verbose=False)
        ids: list[int] = read["input_ids"]
        if len(ids) > self._loaded.limit:
            raise UserError(
                f"{self.name}: '{_short(filled.word)}' in '{_short(filled.text)}' makes {len(ids)} tokens; the model "
                f"reads {self._loaded.limit:.0f} at most"
            )
        slot = overlapping(read["offset_mapping"], filled.text, filled.start, filled.end)
        return Tokens(tuple(ids), slot, any(ids[i] == tokenizer.unk_token_id for i in slot))

    @torch.inference_mode()
    def states(self, rows: np.ndarray) -> Sequence[torch.Tensor]:
        """L tensors (B, T, D)."""
        tower, tokenizer, limit, _ = self._loaded
        longest = rows.shape[1]
        ids = torch.from_numpy(rows)
        if ids.numel() and int(ids.max()) >= tower.get_input_embeddings().num_embeddings:
            raise UserError(
                f"{self.name}: the tokenizer has words that the model has no embedding for (id {int(ids.max())}); give "
                "the tokenizer that it was trained with: SPEC,tokenizer=FOLDER"
            )
        if tower.config.model_type in PADDED:
            padding = ids.new_full((len(ids), int(limit) - longest), tokenizer.pad_token_id)
            inputs = {"input_ids": torch.cat([ids, padding], dim=1)}
        else:
            inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        given = {name: value.to(self.device) for name, value in inputs.items()}
        states = tower(**given, output_hidden_states=True, return_dict=True).hidden_states
        if not states:
            raise UserError(
                f"{self.name}: {type(tower).__name__} gives no hidden states; it cannot be probed by layers"
            )
        return [state[:, :longest].float() for state in states]

    @cached_property
    def _loaded(self) -> Loaded:
        config = _config(_config_file(self.where))
        kind = str(next(iter(config.get("architectures") or ["AutoModel"])))
        model_class = kind if OWN_CLASS.fullmatch(kind) else "AutoModel"
        model, _ = load_model(self.where, model_class, (), "cpu", "float32", "AutoConfig", SPARE)
        if self.seed is not None:
            model = _untrained(model, self.seed)
        tower = _text_tower(model).to(self.device)
        if getattr(tower.config, "use_cache", None):
            tower.config.use_cache = False
        tokenizer = self._load_tokenizer(str(config.get("model_type")))
        return Loaded(tower, tokenizer, _longest(tower, tokenizer), type(model).__name__)

    def _load_tokenizer(self, model_type: str) -> Any:
        from transformers import AutoTokenizer

        where, remedy = self._tokenizer or self.where, "give another as SPEC,tokenizer=FOLDER"
        if Path(where).is_dir() and not any((Path(where) / name).is_file() for name in TOKENIZER_FILES):
            # transformers would make one that knows no words
            if self._tokenizer or model_type not in PAPERS_TOKENIZER:
                raise UserError(f"{where}: holds no tokenizer (one of {', '.join(TOKENIZER_FILES)}); {remedy}")
            where = PAPERS_TOKENIZER[model_type]
        elif not Path(where).is_dir() and not self._tokenizer:
            where = PAPERS_TOKENIZER.get(model_type, where)
        try:
            with hub_at_once():
                tokenizer = AutoTokenizer.from_pretrained(where)
        except Exception as error:  # each library has its own
            said = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
            raise UserError(f"{self.name}: no tokenizer at {where} ({said}); {remedy}") from None
        if not tokenizer.is_fast:
            raise UserError(f"{where}: its tokenizer gives no offsets; a tokenizer.json is needed; {remedy}")
        return tokenizer


def _untrained(model: Any, seed: int) -> Any:
    """The same architecture with weights drawn as its authors' code draws them before training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return type(model)(model.config).float().eval().requires_grad_(False)


def _text_tower(model: Any) -> Any:
    if getattr(model.config, "is_encoder_decoder", False):
        return model.get_encoder()
    return next((getattr(model, name) for name in TOWERS if getattr(model, name, None) is not None), model)


def _longest(tower: Any, tokenizer: Any) -> float:
    """Tokens that there are positions for; RoBERTa and CLAP count theirs from behind the padding's."""
    places = getattr(tower.config, "max_position_embeddings", None) or np.inf
    table = getattr(getattr(tower, "embeddings", None), "position_embeddings", None)
    before = getattr(table, "padding_idx", None)
    if before is not None:
        places -= before + 1
    return float(min(places, tokenizer.model_max_length))


def _sentence_transformer(modules: Path) -> str:
    """The sub-folder of the transformers model among the modules of sentence-transformers."""
    try:
        rows = json.loads(modules.read_bytes())
        return next(str(row["path"]) for row in rows if str(row["type"]).endswith("Transformer"))
    except (ValueError, KeyError, TypeError, StopIteration):
        raise UserError(f"{modules}: names no module of type Transformer; give the model's own folder") from None


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}); check the checkpoint") from None
    if not isinstance(config, dict):
        raise UserError(f"{path}: not a model config; check the checkpoint")
    return config


def _config_file(where: str) -> Path:
    if Path(where).is_dir():
        path = Path(where) / "config.json"
        read_bytes(path, "model config", "a folder holds config.json, model.safetensors and the tokenizer's files")
        return path
    if not is_hub_id(where):
        raise UserError(f"{where}: no such folder; give a folder with config.json and weights, or a hub id")
    from huggingface_hub import hf_hub_download

    try:
        with hub_at_once():
            return Path(hf_hub_download(where, "config.json"))
    except Exception as error:  # the hub's are many
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
        raise UserError(
            f"{where}: no such folder, and it could not be had from the hub ({said}); where there is a network, run "
            f"`hf download {where} --local-dir FOLDER` and give FOLDER"
        ) from None


def _identity(where: str) -> str:
    if Path(where).is_dir():
        return files_identity(path for path in Path(where).iterdir() if path.suffix in KEPT and path.is_file())
    return f"{where}@{_config_file(where).parent.name}"  # the cache's folders are called by the revision


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
