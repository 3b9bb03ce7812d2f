"""What scorers are shown: regions from a file, or the feature vector as the only region."""

import re
from pathlib import Path

import numpy as np
import pytest
import region_files as files
from region_files import detected
from toys import toy_data

from probing_vlp.data.captions import CaptionData
from probing_vlp.data.features import FeatureStore
from probing_vlp.data.visuals import DataConfig, VisualSource, open_visuals
from probing_vlp.errors import UserError
from probing_vlp.records import Regions


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBING_VLP_CACHE", str(tmp_path / "cache"))


def test_regions_of_a_file(tmp_path: Path) -> None:
    images = detected()
    config = toy_data(tmp_path)
    config.regions = str(files.lxmert_tsv(tmp_path / "a.tsv", images))
    regions = open_visuals(config).regions
    data = CaptionData(tuple(d.image for d in images), {}, {}, "four")
    found = VisualSource(data, regions=regions).get("regions", [images[2].image, images[0].image])
    assert [each.image_id for each in found] == [44, 42]
    np.testing.assert_array_equal(found[0].features, images[2].features)


def test_missing_regions_are_counted_over_the_whole_split(tmp_path: Path) -> None:
    images = detected(6)
    config = toy_data(tmp_path)
    config.regions = str(files.lxmert_tsv(tmp_path / "a.tsv", images[:3]))
    source = VisualSource(
        CaptionData(tuple(d.image for d in images), {}, {}, "six"), regions=open_visuals(config).regions
    )
    assert len(source.get("regions", [images[0].image])) == 1
    said = "no regions of 3 of 6 image(s): COCO_val2014_000000000045.jpg (45), COCO_val2014_000000000046.jpg (46)"
    with pytest.raises(UserError, match=re.escape(said)):
        source.get("regions", [images[0].image, images[3].image])


def test_the_feature_vector_as_the_only_region(tmp_path: Path) -> None:
    config = toy_data(tmp_path)
    config.regions = "features"
    source = open_visuals(config)
    images = source.data.split("val")
    found = source.get("regions", images)
    store = FeatureStore.open(config.features)
    for regions, image in zip(found, images, strict=True):
        assert isinstance(regions, Regions) and (regions.width, regions.height) == (1, 1)
        np.testing.assert_array_equal(regions.features, store.rows([image.image_id]))
        assert regions.boxes.tolist() == [[0, 0, 1, 1]] and regions.confidence is None
        assert regions.unit_boxes is not None and regions.unit_boxes.tolist() == [[0, 0, 1, 1, 1, 1]]


def test_no_regions_are_configured_or_there(tmp_path: Path) -> None:
    config = toy_data(tmp_path)
    source = open_visuals(config)
    with pytest.raises(UserError, match=r"looks at regions: give --data\.regions"):
        source.get("regions", source.data.images)
    with pytest.raises(UserError, match="no such region features"):
        open_visuals(DataConfig(config.source, config.features, regions=str(tmp_path / "none")))
    with pytest.raises(UserError, match="asks for sounds; this data set gives references, features, pixels, regions"):
        source.get("sounds", [])
