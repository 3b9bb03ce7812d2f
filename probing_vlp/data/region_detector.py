"""torchvision's detectors as makers of regions: boxes, confidence, and what the box head sees in each box.

Any detector of torchvision.models.detection with a box head (Faster R-CNN, Mask R-CNN, Keypoint R-CNN): 1024 numbers a
region.  Finds of several classes that overlap by more than 0.7 are one region.  An image in which nothing is found has
one region, the whole picture, with confidence 0.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PIL
from torch import Tensor

from probing_vlp.data.backbones import fill, online, read_weights, weights_label
from probing_vlp.data.region_store import RegionRows
from probing_vlp.errors import UserError
from probing_vlp.torchvision_cpu import ensure_torchvision

OVERLAP = 0.7
CLASSES_OF = "roi_heads.box_predictor.cls_score.weight"


class Detector:
    """A detector that gives at most `regions` regions of confidence `confidence` or more; one picture at a time."""

    def __init__(self, name: str, network: Any, weights: str, regions: int = 36, confidence: float = 0.05) -> None:
        self.name, self.regions = name, regions
        self._network = network.eval().requires_grad_(False)
        network.roi_heads.score_thresh = confidence
        network.roi_heads.detections_per_img = max(100, regions)
        self.details = {"weights": weights, "regions": f"at most {regions} with confidence over {confidence:g}"}
        self.dim = int(network.roi_heads.box_predictor.cls_score.in_features)

    def to(self, device: torch.device) -> "Detector":
        """Move the network."""
        self._network.to(device)
        return self

    def preprocess(self, picture: PIL.Image) -> Tensor:
        """(3, H, W) in [0, 1], of the picture's own size: the detector resizes by itself."""
        return torch.from_numpy(np.array(picture, np.float32).transpose(2, 0, 1) / 255)

    @torch.inference_mode()
    def make(self, batch: Tensor, sizes: Sequence[tuple[int, int]]) -> RegionRows:
        """Regions of pictures (B, 3, H, W) of one size."""
        device = next(self._network.parameters()).device
        found = [self._find(picture.to(device), *size) for picture, size in zip(batch, sizes, strict=True)]
        features, boxes, confidence = (
            np.stack([_filled(part.float().cpu().numpy(), self.regions) for part in parts])
            for parts in zip(*found, strict=True)
        )
        counts = [len(boxes) for _, boxes, _ in found]
        return RegionRows(features, boxes, confidence, np.array([(*s, n) for s, n in zip(sizes, counts, strict=True)]))

    def _find(self, picture: Tensor, width: int, height: int) -> tuple[Tensor, Tensor, Tensor]:
        """Features (n, D), boxes (n, 4) in pixels of the picture, confidence (n,), surest first."""
        from torchvision.ops import nms

        network = self._network
        images, _ = network.transform([picture])
        maps = network.backbone(images.tensors)
        proposals, _ = network.rpn(images, maps)
        detections, _ = network.roi_heads(maps, proposals, images.image_sizes)
        boxes, confidence = detections[0]["boxes"], detections[0]["scores"]
        keep = nms(boxes, confidence, OVERLAP)[: self.regions]
        boxes, confidence = boxes[keep], confidence[keep]
        tall, wide = images.image_sizes[0]
        if not len(boxes):
            boxes, confidence = boxes.new_tensor([[0, 0, wide, tall]]), confidence.new_zeros(1)
        heads = network.roi_heads
        features = heads.box_head(heads.box_roi_pool(maps, [boxes], images.image_sizes))
        scale = boxes.new_tensor([width / wide, height / tall] * 2)
        return features, boxes * scale, confidence


def load_detector(name: str, checkpoint: Path | None = None, regions: int = 36, confidence: float = 0.05) -> Detector:
    """torchvision's detector `name`, its weights from `checkpoint` if one is given, else downloaded."""
    ensure_torchvision()
    from torchvision.models import detection

    known = [each for each in sorted(dir(detection)) if "rcnn_" in each]
    if name not in known:
        raise UserError(f"--detector {name}: not one of {', '.join(known)}")
    make = getattr(detection, name)
    if checkpoint is None:
        return Detector(
            name, online(name, lambda: make(weights="DEFAULT")), "torchvision's default", regions, confidence
        )
    classes = len(read_weights(checkpoint).get(CLASSES_OF, ()))
    if not classes:
        raise UserError(f"{checkpoint}: has no {CLASSES_OF}; give the weights of {name}")
    network = make(weights=None, weights_backbone=None, num_classes=classes)
    fill(network, checkpoint)
    return Detector(name, network, weights_label(checkpoint, name), regions, confidence)


def _filled(rows: np.ndarray, count: int) -> np.ndarray:
    """Zeros behind, up to `count` rows."""
    return np.pad(rows, [(0, count - len(rows)), *[(0, 0)] * (rows.ndim - 1)])
