"""What all tests share: one seeded generator, the real data where they are, and --slow."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the long tests too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    data = os.environ.get("HANDLOOM_DATA")
    for item in items:
        if item.get_closest_marker("slow") and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="long: runs with --slow"))
        if item.get_closest_marker("data") and not data:
            item.add_marker(pytest.mark.skip(reason="HANDLOOM_DATA names no folder of real data"))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def data_dir() -> Path:
    """The folder of the real data sets; for tests marked `data`."""
    return Path(os.environ["HANDLOOM_DATA"]).resolve()
