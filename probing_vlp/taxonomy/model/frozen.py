"""Fingerprints of frozen networks: SHA-256 over the names, types, shapes and bytes of all weights and buffers.

Taken before and after training they show that nothing but the projector has learned; they also name features and
language models by what they are, wherever they were loaded from.
"""

import hashlib
from collections.abc import Iterable

import torch
from torch import nn


def fingerprint(network: nn.Module) -> str:
    """Hex digest of every parameter and every buffer of a network, byte for byte."""
    return fingerprint_of(network.state_dict().items())


def fingerprint_of(weights: Iterable[tuple[str, torch.Tensor]]) -> str:
    """Hex digest of named tensors, whatever their order."""
    digest = hashlib.sha256()
    for name, weight in sorted(weights, key=lambda pair: pair[0]):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}\n".encode())
        stored = weight.detach().cpu().contiguous().reshape(-1)
        digest.update(stored.view(torch.uint8).numpy().data if stored.numel() else b"")
    return digest.hexdigest()
