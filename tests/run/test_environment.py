"""What a run says of its surroundings is what they are."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any

import pytest
import threadpoolctl

import handloom
from handloom.run import describe_environment
from handloom.run.environment import PACKAGES

CPUINFO = Path("/proc/cpuinfo")


def described() -> dict[str, Any]:
    return describe_environment(threads=3, engine=("loom: compiled", "slowly"))


def test_every_figure_is_the_systems_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/handloom", "train", "/a/digits.toml"])
    said = described()
    assert said["handloom"] == handloom.__version__
    assert said["python"] == sys.version.split()[0]
    assert said["system"] == platform.platform()
    assert said["machine"] == os.uname().machine
    assert said["cores"] == os.cpu_count()
    assert said["threads"] == 3
    assert said["engine"] == ["loom: compiled", "slowly"]
    assert said["command"] == ["handloom", "train", "/a/digits.toml"]
    assert set(said["packages"]) == set(PACKAGES)
    for name in ("numpy", "pydantic", "safetensors"):
        assert said["packages"][name] == importlib.metadata.version(name)
    blas = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    assert [(b["internal_api"], b["version"], b["architecture"]) for b in said["blas"]] == [
        (b["internal_api"], b["version"], b.get("architecture")) for b in blas
    ]
    assert set(said["blas"][0]) == {"internal_api", "version", "architecture"}


def test_a_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handloom.run.environment.PACKAGES", ("numpy", "no-such-package"))
    assert described()["packages"] == {
        "numpy": importlib.metadata.version("numpy"),
        "no-such-package": None,
    }


@pytest.mark.skipif(not CPUINFO.exists(), reason="Linux says it there")
def test_the_processor_is_named_as_its_maker_spells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "processor\t: 0\nmodel name\t: Maker's: CPU @ 3 GHz \nmodel name\t: another\n"
    monkeypatch.setattr(Path, "read_text", lambda path, **how: text if path == CPUINFO else "")
    assert described()["processor"] == "Maker's: CPU @ 3 GHz"


def test_without_that_file_the_processor_is_what_python_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(path: Path, **how: Any) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", missing)
    monkeypatch.setattr(platform, "processor", lambda: "x86_64")
    assert described()["processor"] == "x86_64"
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert described()["processor"] == "unknown"
    monkeypatch.setattr(Path, "read_text", lambda path, **how: "flags: none\n")
    assert described()["processor"] == "unknown"
