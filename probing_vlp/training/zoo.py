"""Small models of the region architectures: how each is made, what its unimodal halves are, how it is saved.

A model is saved as its authors save theirs (container, names of weights, config) beside a `vocab.txt` and the
`mini.json` that `scorers/_mini.py` reads.  Training begins from such a folder too, so that a model is fed by its
scorer's own rules from the first step.
"""

import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from probing_vlp.errors import UserError
from probing_vlp.files import atomic_write
from probing_vlp.scorers._bert import additive_mask
from probing_vlp.scorers._mini import write_mini
from probing_vlp.scorers._vilbert import Vilbert, through
from probing_vlp.scorers.lxmert import Lxmert
from probing_vlp.scorers.rosita import PARTS, Rosita, rosita_name
from probing_vlp.scorers.uniter import Uniter

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
UNKNOWN = SPECIAL.index("[UNK]")
POSITIONS = 64


@dataclass(frozen=True)
class Sizes:
    """What the small models have in common: words, width of a feature, hidden units, layers of each kind, heads."""

    words: int
    features: int
    hidden: int
    layers: int
    heads: int

    @property
    def bert(self) -> dict[str, Any]:
        """The fields that a config has from BERT."""
        return {
            "vocab_size": self.words,
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": 4 * self.hidden,
            "hidden_act": "gelu",
            "max_position_embeddings": POSITIONS,
            "type_vocab_size": 2,
        }


class Architecture:
    """A region model's small form."""

    checkpoint: str
    config = "config.json"
    lower = True
    """Its tokenizer puts captions into lower case."""

    def sizes(self, sizes: Sizes) -> dict[str, Any]:
        """The model's config, in its authors' words."""
        return sizes.bert

    def network(self, sizes: Sizes) -> nn.Module:
        """The network of its scorer."""
        raise NotImplementedError

    def text(self, network: Any, ids: Tensor, words: Tensor) -> Tensor:
        """(B, T, H) of its text layers alone, from ids (B, T) and whether each is a word."""
        raise NotImplementedError

    def image(self, network: Any, regions: Tensor, there: Tensor) -> Tensor:
        """(B, R, H) of its image layers alone; in two streams they are part of `embed_regions`."""
        return regions

    def container(self, state: dict[str, Tensor]) -> Any:
        """What the authors save for these weights."""
        return state

    def config_text(self, sizes: Sizes) -> str:
        """The config file."""
        return json.dumps(self.sizes(sizes), indent=1) + "\n"


class UniterArchitecture(Architecture):
    """One stream."""

    checkpoint, lower = "uniter.pt", False

    def network(self, sizes: Sizes) -> nn.Module:
        """The network of the scorer `uniter`."""
        return Uniter({**self.sizes(sizes), "feature_size": sizes.features})

    def text(self, network: Any, ids: Tensor, words: Tensor) -> Tensor:
        """(B, T, H): the layers read words alone."""
        return encode(network.uniter.encoder, network.uniter.embeddings(ids), words)

    def image(self, network: Any, regions: Tensor, there: Tensor) -> Tensor:
        """(B, R, H): the layers read regions alone."""
        return encode(network.uniter.encoder, regions, there)

    def container(self, state: dict[str, Tensor]) -> Any:
        """As pre-trained: without the head of fine-tuning, which then is the matching head's."""
        return {key: weight for key, weight in state.items() if not key.startswith("rank_output.")}


class RositaArchitecture(Architecture):
    """One stream."""

    checkpoint, config = "rosita.pkl", "config.yaml"

    def sizes(self, sizes: Sizes) -> dict[str, Any]:
        """The keys that stand over the defaults of the authors' `Cfg`."""
        return {
            "LAYER": sizes.layers,
            "HSIZE": sizes.hidden,
            "HHEAD": sizes.heads,
            "HFF": 4 * sizes.hidden,
            "POS_EMB_IN_SIZE": POSITIONS,
            "TYPE_EMB_IN_SIZE": 2,
            "IMGFEAT_SIZE": sizes.features,
            "BBOXFEAT_SIZE": 5,
        }

    def network(self, sizes: Sizes) -> nn.Module:
        """The network of the scorer `rosita`."""
        return Rosita(self.sizes(sizes), sizes.words)

    def text(self, network: Any, ids: Tensor, words: Tensor) -> Tensor:
        """(B, T, H): the layers read words alone."""
        return encode(network.backbone, network.text_embeddings(ids), words)

    def image(self, network: Any, regions: Tensor, there: Tensor) -> Tensor:
        """(B, R, H): the layers read regions alone."""
        return encode(network.backbone, regions, there)

    def container(self, state: dict[str, Tensor]) -> Any:
        """A state dict a part."""
        parts: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
        for key, weight in state.items():
            part, _, name = rosita_name(key).partition(".")
            parts[part][name] = weight
        return parts

    def config_text(self, sizes: Sizes) -> str:
        """YAML."""
        return yaml.safe_dump(self.sizes(sizes), sort_keys=False)


class VilbertArchitecture(Architecture):
    """Two streams: text layers and an image layer, one co-attention, a layer of each."""

    checkpoint = "vilbert.bin"

    def sizes(self, sizes: Sizes) -> dict[str, Any]:
        """The text's and the image's stream of one width."""
        return sizes.bert | {
            "num_hidden_layers": sizes.layers + 1,
            "v_feature_size": sizes.features,
            "v_hidden_size": sizes.hidden,
            "v_num_hidden_layers": 2,
            "v_num_attention_heads": sizes.heads,
            "v_intermediate_size": 4 * sizes.hidden,
            "bi_hidden_size": sizes.hidden,
            "bi_num_attention_heads": sizes.heads,
            "v_biattention_id": [1],
            "t_biattention_id": [sizes.layers],
        }

    def network(self, sizes: Sizes) -> nn.Module:
        """The network of the scorer `vilbert`, without task tokens."""
        return Vilbert(self.sizes(sizes))

    def text(self, network: Any, ids: Tensor, words: Tensor) -> Tensor:
        """(B, T, H) of the layers before the co-attention."""
        encoder, x = network.bert.encoder, network.bert.embeddings(ids)
        return through(encoder.layer[: encoder.t_stops[0]], x, additive_mask(words, x.dtype))


class LxmertArchitecture(Architecture):
    """Two streams: language layers, an object layer, a cross layer."""

    checkpoint = "lxmert.pth"

    def sizes(self, sizes: Sizes) -> dict[str, Any]:
        """With the layers of each kind, which the authors give on the command line."""
        return sizes.bert | {"l_layers": sizes.layers, "r_layers": 1, "x_layers": 1}

    def network(self, sizes: Sizes) -> nn.Module:
        """The network of the scorer `lxmert`."""
        return Lxmert({**self.sizes(sizes), "visual_feat_dim": sizes.features})

    def text(self, network: Any, ids: Tensor, words: Tensor) -> Tensor:
        """(B, T, H) of the language layers."""
        x: Tensor = network.bert.embeddings(ids, torch.zeros_like(ids))
        for layer in network.bert.encoder.layer:
            x = layer(x, additive_mask(words, x.dtype))[0]
        return x

    def container(self, state: dict[str, Tensor]) -> Any:
        """Names as DataParallel gives them."""
        return {f"module.{key}": weight for key, weight in state.items()}


ARCHITECTURES: dict[str, Architecture] = {
    "uniter": UniterArchitecture(),
    "rosita": RositaArchitecture(),
    "vilbert": VilbertArchitecture(),
    "lxmert": LxmertArchitecture(),
}


def encode(encoder: Any, x: Tensor, there: Tensor) -> Tensor:
    """(B, T, H) through layers that see what is `there` (B, T)."""
    out: Tensor = encoder(x, additive_mask(there, x.dtype))
    return out


def word_list(captions: Iterable[str], lower: bool, min_count: int) -> list[str]:
    """BERT's special tokens, and the words seen more than `min_count` times as BERT's tokenizer parts them."""
    from tokenizers.implementations import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer(lowercase=lower)._tokenizer
    counts = Counter(
        word
        for caption in captions
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(caption))
    )
    kept = sorted(word for word, count in counts.items() if count > min_count and word not in SPECIAL)
    if not kept:
        raise UserError(f"no word is seen more than {min_count} times in the captions; give a smaller --min_count")
    return [*SPECIAL, *kept]


def init_weights(network: nn.Module) -> None:
    """Normal weights that keep a layer's scale, as is better than BERT's 0.02 where layers are narrow; biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, module.in_features**-0.5)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, 0, 0.02)


def save_network(folder: Path, arch: str, network: nn.Module, sizes: Sizes, words: Sequence[str], about: Any) -> None:
    """The folder of a mini model; `mini.json` comes last, so that a folder cut short is none."""
    architecture, container = ARCHITECTURES[arch], io.BytesIO()
    state = {key: weight.detach().cpu().contiguous() for key, weight in network.state_dict().items()}
    torch.save(architecture.container(state), container)
    atomic_write(folder / architecture.checkpoint, container.getvalue())
    atomic_write(folder / architecture.config, architecture.config_text(sizes).encode())
    atomic_write(folder / "vocab.txt", "".join(f"{word}\n" for word in words).encode())
    files = {"checkpoint": architecture.checkpoint, "config": architecture.config, "vocab": "vocab.txt"}
    write_mini(folder, arch, files, {"feature_size": sizes.features, **about})
