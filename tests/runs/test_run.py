"""The run folder: created once, opened when it is one, read with care."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from handloom.errors import RunError
from handloom.runs import RunFolder, describe_environment, new_run


def test_create_takes_new_and_empty_folders_only(tmp_path: Path) -> None:
    assert RunFolder.create(tmp_path / "a" / "b").path.is_dir()
    RunFolder.create(tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty; continue it with --resume"):
        RunFolder.create(tmp_path / "a" / "b")
    with pytest.raises(RunError, match="is a file"):
        RunFolder.create(tmp_path / "a" / "b" / "notes.txt")
    with pytest.raises(RunError, match="cannot make the folder"):
        RunFolder.create(tmp_path / "a" / "b" / "notes.txt" / "c")


def test_open_needs_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is no run: it has no recipe\.toml"):
        RunFolder.open(tmp_path)
    RunFolder(tmp_path).write_recipe("seed = 1\n")
    assert RunFolder.open(tmp_path).recipe.read_text() == "seed = 1\n"


def test_default_names_count_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [str(new_run("digits", None).path) for _ in range(3)] == [
        "runs/digits", "runs/digits-2", "runs/digits-3",
    ]  # fmt: skip


def test_everybody_who_begins_at_once_gets_a_folder_of_his_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    barrier = Barrier(16)

    def begin(_: int) -> str:
        barrier.wait()
        return new_run("mine.toml", None).path.name

    with ThreadPoolExecutor(16) as pool:
        names = list(pool.map(begin, range(16)))
    assert sorted(names) == sorted(["mine", *(f"mine-{number}" for number in range(2, 17))])


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe", b""])
def test_damaged_json_is_named(tmp_path: Path, content: bytes) -> None:
    folder = RunFolder(tmp_path)
    folder.result.write_bytes(content)
    with pytest.raises(RunError, match=r"result\.json"):
        folder.read_json(folder.result)


def test_missing_json_says_what_to_do(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(RunError, match=r"has no result\.json; finish it with --resume"):
        folder.read_json(folder.result)


def test_environment_tells_versions_and_threads() -> None:
    import numpy

    told = describe_environment(threads=2, engine=["numpy: as asked for"])
    assert told["packages"]["numpy"] == numpy.__version__
    assert told["threads"] == 2
    assert told["engine"] == ["numpy: as asked for"]
    assert told["blas"], "numpy computes with some BLAS"


def test_environment_names_the_processor_as_llvm_does() -> None:
    llvm = pytest.importorskip("llvmlite.binding")
    told = describe_environment(threads=1, engine=[])
    assert told["cpu"] == llvm.get_host_cpu_name()
    assert told["packages"]["llvmlite"]


def test_environment_without_llvm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "handloom.loom.language.machine", None)
    assert describe_environment(threads=1, engine=[])["cpu"] is None
