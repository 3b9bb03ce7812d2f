"""Tiny random models of transformers, saved as their published folders are: config, weights, tokenizer, processor."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from probing_vlp.torchvision_cpu import ensure_torchvision

ensure_torchvision()

import transformers as hf  # noqa: E402  torchvision is mended first

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["a", "dog", "cat", "on", "mat", "two", "very", "small", "is", "of", "sit", "##s", "##g", "!", ",", "?", "."]
CAPTIONS = ["a dog", "two dogs and a very small cat sit on a mat!", "a dog on a mat", "a cat", "zebras sit on mats"]
TEXT = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = {**TEXT, "image_size": 16, "patch_size": 8}


def spread(model: Any, seed: int = 0) -> Any:
    """Every parameter random and large enough to matter."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def image_processor(kind: str, **options: Any) -> dict[str, Any]:
    """A preprocessor_config.json."""
    return {
        "image_processor_type": kind,
        "size": {"height": 16, "width": 16},
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.2, 0.3, 0.4],
        **options,
    }


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


def write_word_pieces(folder: Path) -> int:
    """BERT's vocab.txt and tokenizer_config.json; the number of pieces."""
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *WORDS,
        *LETTERS[1:],
        *("##" + x for x in LETTERS if x not in "sg"),
    ]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")
    write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512},
    )
    return len(pieces)


def write_clip_pieces(folder: Path) -> int:
    """CLIP's vocab.json and merges.txt over single bytes and two merges; the number of pieces."""
    marks = [chr(i) for i in range(33, 127)]
    merges = ["d o", "do g</w>"]
    pieces = [*marks, *(mark + "</w>" for mark in marks), "do", "dog</w>", "<|startoftext|>", "<|endoftext|>"]
    write_json(folder / "vocab.json", {piece: i for i, piece in enumerate(pieces)})
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "CLIPTokenizer",
            "bos_token": "<|startoftext|>",
            "eos_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>",
            "unk_token": "<|endoftext|>",
            "model_max_length": 77,
        },
    )
    return len(pieces)


def write_words(folder: Path, special: list[str], more: list[str], end: str = "", **config: Any) -> int:
    """A tokenizer.json of whole words and letters, `end` after each text; the number of words."""
    words = [*special, *more, *(word for word in [*WORDS, *LETTERS, '"'] if word not in more)]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if end:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"$A {end}", special_tokens=[(end, words.index(end))]
        )
    fast = hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        pad_token="<pad>",
        eos_token="</s>",
        additional_special_tokens=[word for word in special if word not in ("<unk>", "<pad>", "</s>")],
        **config,
    )
    fast.save_pretrained(folder)
    return len(words)


def save_clip(folder: Path, **text: Any) -> Path:
    """A CLIP as openai publishes it."""
    size = write_clip_pieces(folder)
    write_json(
        folder / "preprocessor_config.json",
        image_processor(
            "CLIPImageProcessor", size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}, do_center_crop=True
        ),
    )
    marks = {"bos_token_id": size - 2, "eos_token_id": size - 1, "pad_token_id": size - 1}
    config = hf.CLIPConfig(
        text_config={**TEXT, "vocab_size": size, "max_position_embeddings": 77, **marks, **text},
        vision_config=VISION,
        projection_dim=8,
    )
    torch.manual_seed(0)
    spread(hf.CLIPModel(config)).save_pretrained(folder)
    return folder


def save_siglip(folder: Path) -> Path:
    """A SigLIP; its tokenizer returns no mask, as the published ones."""
    size = write_words(
        folder, ["<pad>", "</s>", "<unk>"], [], "</s>", model_max_length=64, model_input_names=["input_ids"]
    )
    write_json(
        folder / "preprocessor_config.json",
        image_processor("SiglipImageProcessor") | {"processor_class": "SiglipProcessor"},
    )
    config = hf.SiglipConfig(
        text_config={**TEXT, "vocab_size": size, "max_position_embeddings": 64, "projection_size": 16},
        vision_config=VISION,
    )
    torch.manual_seed(0)
    spread(hf.SiglipModel(config)).save_pretrained(folder)
    return folder


def save_siglip2(folder: Path) -> Path:
    """A SigLIP 2 that takes pictures of any shape."""
    size = write_words(
        folder, ["<pad>", "</s>", "<unk>"], [], "</s>", model_max_length=64, model_input_names=["input_ids"]
    )
    write_json(
        folder / "preprocessor_config.json",
        image_processor("Siglip2ImageProcessor", patch_size=16, max_num_patches=256)
        | {"processor_class": "Siglip2Processor"},
    )
    vision = {**TEXT, "patch_size": 16, "num_patches": 4}
    text = {**TEXT, "vocab_size": size, "max_position_embeddings": 64, "projection_size": 16}
    torch.manual_seed(0)
    spread(hf.Siglip2Model(hf.Siglip2Config(text_config=text, vision_config=vision))).save_pretrained(folder)
    return folder


def save_blip(folder: Path) -> Path:
    """A BLIP for retrieval; two words more than its tokenizer, [DEC] and [ENC], as published."""
    size = write_word_pieces(folder)
    write_json(
        folder / "preprocessor_config.json",
        image_processor("BlipImageProcessor") | {"processor_class": "BlipProcessor"},
    )
    config = hf.BlipConfig(
        text_config={**TEXT, "vocab_size": size + 2, "encoder_hidden_size": 16, "max_position_embeddings": 64},
        vision_config=VISION,
        projection_dim=8,
        image_text_hidden_size=8,
    )
    torch.manual_seed(0)
    spread(hf.BlipForImageTextRetrieval(config)).save_pretrained(folder)
    return folder


def save_vilt(folder: Path) -> Path:
    """A ViLT for retrieval: pictures keep their shape, sides in steps of 8."""
    size = write_word_pieces(folder)
    write_json(
        folder / "preprocessor_config.json",
        image_processor("ViltImageProcessor", size={"shortest_edge": 16}, size_divisor=8, do_pad=True)
        | {"processor_class": "ViltProcessor"},
    )
    config = hf.ViltConfig(**VISION, vocab_size=size, max_position_embeddings=40)
    torch.manual_seed(0)
    spread(hf.ViltForImageAndTextRetrieval(config)).save_pretrained(folder)
    return folder


CHAT = (
    "{% for message in messages %}USER: {% for part in message['content'] %}{% if part['type'] == 'image' %}<image>"
    "{% else %} {{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)
ANSWERS = [
    "Yes",
    "No",
    "Does",
    "this",
    "figure",
    "show",
    "Please",
    "answer",
    "yes",
    "or",
    "no",
    "USER",
    "ASSISTANT",
    ":",
]


def save_llava(folder: Path, chat: bool = True, tied: bool = False) -> Path:
    """A LLaVA: CLIP's vision tower and a Llama."""
    size = write_words(folder, ["<pad>", "</s>", "<unk>", "<image>"], ANSWERS)
    write_json(
        folder / "preprocessor_config.json",
        image_processor(
            "CLIPImageProcessor", size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}, do_center_crop=True
        ),
    )
    write_json(
        folder / "processor_config.json",
        {
            "processor_class": "LlavaProcessor",
            "patch_size": 8,
            "vision_feature_select_strategy": "default",
            "num_additional_image_tokens": 1,
        },
    )
    if chat:
        (folder / "chat_template.jinja").write_text(CHAT)
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**VISION),
        text_config=hf.LlamaConfig(**TEXT, vocab_size=size, num_key_value_heads=1, tie_word_embeddings=tied),
        tie_word_embeddings=tied,
        image_token_id=3,
        image_seq_length=4,
        vision_feature_layer=-1,
    )
    torch.manual_seed(0)
    spread(hf.LlavaForConditionalGeneration(config)).save_pretrained(folder)
    return folder


def save_qwen(folder: Path) -> Path:
    """A Qwen2-VL: images of any size, positions in three dimensions."""
    marks = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    size = write_words(folder, ["<pad>", "</s>", "<unk>", *marks], ANSWERS)
    images = {"patch_size": 4, "temporal_patch_size": 2, "merge_size": 2}
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "Qwen2VLImageProcessor",
            "processor_class": "Qwen2VLProcessor",
            "size": {"shortest_edge": 64, "longest_edge": 1024},
            **images,
        },
    )
    write_json(folder / "video_preprocessor_config.json", {"video_processor_type": "Qwen2VLVideoProcessor", **images})
    chat = CHAT.replace("<image>", "<|vision_start|><|image_pad|><|vision_end|>")
    (folder / "chat_template.jinja").write_text(chat)
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    config = hf.Qwen2VLConfig(
        text_config={**TEXT, "vocab_size": size, "num_key_value_heads": 1, "rope_parameters": rope},
        vision_config={
            "depth": 2,
            "embed_dim": 16,
            "hidden_size": 16,
            "num_heads": 2,
            **images,
            "spatial_merge_size": 2,
        },
        vision_start_token_id=3,
        vision_end_token_id=4,
        image_token_id=5,
        video_token_id=6,
    )
    torch.manual_seed(0)
    spread(hf.Qwen2VLForConditionalGeneration(config)).save_pretrained(folder)
    return folder


def save_blip2(folder: Path) -> Path:
    """A BLIP-2 with a T5."""
    size = write_words(folder, ["<pad>", "</s>", "<unk>", "<image>"], ANSWERS, "</s>")
    write_json(folder / "preprocessor_config.json", image_processor("BlipImageProcessor"))
    write_json(folder / "processor_config.json", {"processor_class": "Blip2Processor", "num_query_tokens": 3})
    text = hf.T5Config(
        vocab_size=size,
        d_model=16,
        d_kv=8,
        d_ff=24,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=0,
        pad_token_id=0,
    )
    config = hf.Blip2Config(
        vision_config=VISION,
        qformer_config={**TEXT, "encoder_hidden_size": 16, "vocab_size": 30},
        text_config=text.to_dict(),
        num_query_tokens=3,
        image_token_index=3,
    )
    torch.manual_seed(0)
    spread(hf.Blip2ForConditionalGeneration(config)).save_pretrained(folder)
    return folder


def save_idefics(folder: Path) -> Path:
    """An Idefics 3, as the first SmolVLM is: an image is cut into tiles, and the text says where each of them lies."""
    marks = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
    tiles = [f"<row_{row}_col_{column}>" for row in (1, 2, 3) for column in (1, 2, 3)]
    size = write_words(folder, ["<pad>", "</s>", "<unk>", *marks, *tiles], ANSWERS)
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "Idefics3ImageProcessor",
            "size": {"longest_edge": 32},
            "max_image_size": {"longest_edge": 16},
            "do_image_splitting": True,
        },
    )
    write_json(folder / "processor_config.json", {"processor_class": "Idefics3Processor", "image_seq_len": 4})
    (folder / "chat_template.jinja").write_text(CHAT)
    vision = {**TEXT, "image_size": 16, "patch_size": 4}
    text = hf.LlamaConfig(**TEXT, vocab_size=size, num_key_value_heads=1, pad_token_id=0)
    config = hf.Idefics3Config(vision_config=vision, text_config=text, image_token_id=3, scale_factor=2, pad_token_id=0)
    torch.manual_seed(0)
    spread(hf.Idefics3ForConditionalGeneration(config)).save_pretrained(folder)
    return folder
