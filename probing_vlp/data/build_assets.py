"""Remake `probing_vlp/assets/` from a folder of COCO photographs with their caption files.

    python -m probing_vlp.data.build_assets SAMPLE_DIR

SAMPLE_DIR holds `images/` and COCO caption files `captions_{train,val,test}.json`.  Only photographs whose licence lets
anyone share and adapt them are listed, and encoded into `features/`; no pixels are kept.
"""

import argparse
import csv
import io
import shutil
from pathlib import Path

from probing_vlp.data.backbones import load_backbone
from probing_vlp.data.embedded import ASSETS, COLUMNS, IMAGE_LIST
from probing_vlp.data.extract import extract
from probing_vlp.data.splits import load_data
from probing_vlp.data.visuals import find_images
from probing_vlp.errors import UserError, report_user_errors
from probing_vlp.files import atomic_write
from probing_vlp.records import Image

FEATURES = ASSETS / "features"
FREE_LICENSES = ("CC BY 2.0", "CC BY-SA 2.0", "No known copyright restrictions")


def free_images(sample_dir: Path) -> list[Image]:
    """The freely licensed images, ordered by split and image id."""
    images = [image for image in load_data(str(sample_dir)).images if image.license in FREE_LICENSES]
    if not images:
        raise UserError(f"{sample_dir}: no image has a free licence ({', '.join(FREE_LICENSES)})")
    return sorted(images, key=lambda image: (image.split, image.image_id))


def write_image_list(sample_dir: Path, target: Path = IMAGE_LIST) -> int:
    """Write the list of freely licensed images; returns their number."""
    images = free_images(sample_dir)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for image in images:
        writer.writerow([getattr(image, column) for column in COLUMNS])
    atomic_write(target, text.getvalue().encode())
    return len(images)


def write_features(sample_dir: Path, target: Path = FEATURES) -> int:
    """Replace `target` by EfficientNet-Lite0 features (float16) of the listed images; returns their number."""
    pixels = find_images(free_images(sample_dir), [str(sample_dir / "images")])
    fresh = target.with_name(f"{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    # resumable by itself: what is unfinished lies in features.new.partial
    count = len(extract(pixels, load_backbone("efficientnet-lite0"), fresh, "float16", batch_size=32, resume=True))
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return count


def main() -> None:
    """Remake every asset that is made from the photographs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sample_dir", type=Path, help="folder with images/ and captions_{train,val,test}.json")
    sample_dir = parser.parse_args().sample_dir
    with report_user_errors():
        print(f"{IMAGE_LIST}: {write_image_list(sample_dir)} images")
        print(f"{FEATURES}: features of {write_features(sample_dir)} images")


if __name__ == "__main__":
    main()
