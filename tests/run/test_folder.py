"""The run folder: created once, opened when it is one, read with care."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from handloom._kept import COUNT, NUMBER, TEXT_OR_NULL
from handloom.errors import RunError
from handloom.recipes import load_recipe
from handloom.run import RunFolder, describe_environment, new_run


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
    with pytest.raises(RunError, match=r"is not a run folder: it has no recipe\.toml"):
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

    told = describe_environment(threads=2, engine=["numpy: as requested"])
    assert told["packages"]["numpy"] == numpy.__version__
    assert told["threads"] == 2
    assert told["engine"] == ["numpy: as requested"]
    assert told["blas"], "numpy computes with some BLAS"


def test_environment_names_the_processor_as_llvm_does() -> None:
    llvm = pytest.importorskip("llvmlite.binding")
    told = describe_environment(threads=1, engine=[])
    assert told["cpu"] == llvm.get_host_cpu_name()
    assert told["packages"]["llvmlite"]


def test_environment_without_llvm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "handloom.loom.language.machine", None)
    assert describe_environment(threads=1, engine=[])["cpu"] is None


def test_a_folder_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(RunError, match=f"cannot read the folder {tmp_path}: Permission denied"):
        RunFolder(tmp_path).check_empty()


def test_what_a_run_does_not_put_into_its_folder_is_foreign(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for path in (
        folder.recipe, folder.environment, folder.data, folder.metrics, folder.result,
        folder.figures, folder.checkpoints, folder.tensorboard, tmp_path / ".lock",
    ):  # fmt: skip
        path.write_text("")
    assert folder.foreign_entry() is None
    for name in ("zebra.txt", "apple.txt"):
        (tmp_path / name).write_text("")
    assert folder.foreign_entry() == "apple.txt"


def test_subfolders_are_made_inside_and_links_are_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    assert folder.own(folder.figures) == folder.figures
    assert folder.figures.is_dir()
    folder.check_links()
    for subfolder in (folder.checkpoints, folder.tensorboard):
        subfolder.symlink_to(tmp_path, target_is_directory=True)
        with pytest.raises(RunError, match=subfolder.name):
            folder.check_links()
        with pytest.raises(RunError, match=subfolder.name):
            folder.own(subfolder)
        subfolder.unlink()
    folder.figures.rmdir()
    folder.figures.symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(RunError, match="figures"):
        folder.check_links()


def test_a_key_that_is_needed_is_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_json(folder.result, {"best_epoch": 3, "none": None})
    kinds = {"best_epoch": COUNT, "none": TEXT_OR_NULL}
    assert folder.read_json(folder.result, kinds) == {"best_epoch": 3, "none": None}
    with pytest.raises(RunError, match=r"result\.json is damaged: it has no 'seconds'"):
        folder.read_json(folder.result, {"best_epoch": COUNT, "seconds": NUMBER})
    folder.result.write_text("[1]")
    with pytest.raises(RunError, match=r"result\.json is damaged: it should be one JSON object"):
        folder.read_json(folder.result)
    folder.result.unlink()
    folder.result.mkdir()
    with pytest.raises(RunError, match=r"result\.json cannot be read: .*directory"):
        folder.read_json(folder.result)


def test_a_lock_alone_leaves_a_folder_empty(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("")
    assert RunFolder.create(tmp_path).path == tmp_path
    (tmp_path / ".other").write_text("")
    with pytest.raises(
        RunError, match=f"{tmp_path} is not empty; continue it with --resume {tmp_path}"
    ):
        RunFolder.create(tmp_path)


def test_a_run_is_named_after_what_it_is_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bars: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert new_run(bars, None).path == Path("runs/bars")
    assert new_run(load_recipe("digits"), None).path == Path("runs/digits")
    assert new_run(load_recipe(bars), None).path == Path("runs/run")
    assert new_run("digits", tmp_path / "mine").path == tmp_path / "mine"
    assert (tmp_path / "mine").is_dir()
    assert new_run("digits", "yours").path == Path("yours")


def test_checkpoints_have_their_names(tmp_path: Path) -> None:
    assert RunFolder(tmp_path).checkpoint("best") == tmp_path / "checkpoints" / "best.safetensors"


@pytest.mark.parametrize(
    "value",
    [
        {"validation": {"accuracy": "1", "loss": 0.5}},
        {"validation": {"accuracy": 1.5, "loss": 0.5}},
        {"test": {"evaluations": 1.5}},
        {"test": {"evaluations": -1}},
        {"test": []},
        {"best_epoch": 1, "validation": {"accuracy": 1, "loss": None}},
        {"best_epoch": True},
    ],
)
def test_values_of_the_wrong_kind_are_named(value: dict[str, object], tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_json(folder.result, value)
    with pytest.raises(RunError, match=r"result\.json is damaged: (it has no|\S+ should be)"):
        folder.read_result()


def test_json_that_is_nested_deeply_or_is_no_number_is_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for text, why in (
        ("[" * 100_000, "nested too deeply"),
        ('{"a": NaN}', "NaN is not"),
        ('{"a": 1e999}', "beyond every number"),
        ('{"a": 1' + "0" * 5000 + "}", ""),
    ):
        folder.result.write_text(text)
        with pytest.raises(RunError, match=f"cannot be read: .*{why}"):
            folder.read_result()


def test_a_whole_result_is_read_and_a_damaged_one_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    whole = {
        "validation": {"accuracy": 0.5, "loss": 1.5},
        "test": {"accuracy": 0.25, "loss": None, "evaluations": 2},
        "best_epoch": 3, "epochs": 4, "seconds": 1.25, "parameters": 10,
    }  # fmt: skip
    folder.write_json(folder.result, whole)
    assert folder.read_result() == whole
    for key in whole:
        less = {name: value for name, value in whole.items() if name != key}
        folder.write_json(folder.result, less)
        if key in ("test", "best_epoch"):  # without test split; not finished yet
            assert folder.read_result() == less
            continue
        with pytest.raises(RunError, match=key):
            folder.read_result()
