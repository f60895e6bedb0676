"""Maps that are watched while a network trains."""

import numpy as np
import torch
from stage_settings import changed
from synthetic_run import empty_image, make_split
from tiny_network import SETTINGS

from ssenet_core.cam.watching import WatchedMaps
from ssenet_core.data.manifest import load_manifest
from ssenet_core.io.images import load_image
from ssenet_core.models.networks import build_network


def test_each_image_is_shown_beside_a_map_a_tag(tmp_path):
    split = make_split(tmp_path, "train", ((32, 48), (40, 40)))
    manifest = load_manifest(split.manifest)
    watched = WatchedMaps(manifest, changed(SETTINGS["cam"], {"resize": [40, 48]}))
    frozen = changed(SETTINGS["cam"], {"backbone": {"freeze_batch_norm": True}})
    network = build_network(frozen, manifest.classes).train()
    modes = [module.training for module in network.modules()]
    assert {True, False} == set(modes)
    before = torch.get_rng_state()
    pictures = watched(network)
    assert torch.equal(torch.get_rng_state(), before)
    assert [module.training for module in network.modules()] == modes
    for record, (name, picture) in zip(manifest.images, pictures.items(), strict=True):
        assert name.startswith(f"{record.id}: ")
        width = picture.shape[2] // (1 + len(record.tags))
        assert max(picture.shape[1], width) == 48
        assert picture.min() >= 0
        assert picture.max() <= 1
    first = next(iter(pictures.values()))[:, :, :48]  # of 48 pixels, so it is not resized
    shown = (first * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(shown, np.asarray(load_image(manifest.images[0].image)))


def test_images_without_classes_have_no_maps_to_watch(tmp_path):
    split = make_split(tmp_path, "train", ((16, 16),) * 3)
    for number, tags in ((0, []), (2, None)):
        empty_image(split, number, tags)
    manifest = load_manifest(split.manifest)
    watched = WatchedMaps(manifest, changed(SETTINGS["cam"], {"resize": [16, 16]}))
    assert [record.id for record in watched.records] == ["train_1"]


def test_few_images_are_watched_and_always_the_same(tmp_path):
    split = make_split(tmp_path, "train", ((16, 16),) * 9)
    manifest = load_manifest(split.manifest)
    ids = [
        record.id
        for record in WatchedMaps(manifest, changed(SETTINGS["cam"], {"resize": [16, 16]})).records
    ]
    assert ids == ["train_0", "train_2", "train_4", "train_6"]
