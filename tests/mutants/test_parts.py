"""What the mutation tests name is there: a room that has moved takes its part along."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PARTS = tomllib.loads((Path(__file__).parent / "parts.toml").read_text())


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_sources_and_tests_are_there(part: dict[str, Any]) -> None:
    for source in part["source"]:
        assert (ROOT / "src/handloom" / source).exists(), source
    for pattern in part["tests"]:
        assert list(ROOT.glob(pattern)), pattern


def test_contributors_are_told_of_every_part() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    assert [name for name in PARTS if f"`{name}`" not in page] == []
