"""A missing optional library is told with the pip command that brings it; a broken one is a bug."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy
import pytest

from handloom._optional import require
from handloom.errors import MissingExtraError


def test_a_library_that_is_there_is_given() -> None:
    assert require("numpy", extra="torch") is numpy


def test_a_missing_library_names_the_pip_command() -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'handloom\[torch\]'"):
        require("no_such_library_at_all.nn", extra="torch")


def test_a_library_that_misses_another_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_there.py").write_text("import no_such_library_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "half_there", raising=False)
    with pytest.raises(ModuleNotFoundError, match="no_such_library_at_all"):
        require("half_there", extra="torch")
