"""What the machine refuses: names, folders, memory. One sentence, exit code 2, soon."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from handloom import _memory
from handloom._memory import available_memory, check_available, shown_bytes
from handloom._reasons import explained
from handloom.errors import ConfigError, LabelError, RecipeError, ShapeError
from handloom.recipes import load_recipe
from handloom.run import assemble
from handloom.run.assemble import memory

PROGRAM = "from handloom.cli.main import main; main()"


def refused(*words: object, cwd: Path, before: str = "") -> str:
    """The one line on standard error of a command that is refused."""
    program = [sys.executable, "-c", before + PROGRAM, *map(str, words)]
    ended = subprocess.run(program, cwd=cwd, capture_output=True, check=False)
    told = ended.stderr.decode(errors="replace")
    assert (ended.returncode, told.count("\n")) == (2, 1), told
    return told


def test_a_current_folder_that_was_removed(bars: Path, tmp_path: Path) -> None:
    (gone := tmp_path / "gone").mkdir()
    before = f"import os; os.rmdir({str(gone)!r}); "
    told = refused("train", "digits", "-q", cwd=gone, before=before)
    assert told == "handloom: the current folder was removed; change to another one\n"


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    assert "the name is too long" in refused("test", "a" * 300, cwd=tmp_path)


def test_little_address_space(tmp_path: Path) -> None:
    """As `ulimit -v 700000` sets it: the libraries are loaded, the training does not fit."""
    before = "import resource; resource.setrlimit(resource.RLIMIT_AS, (700_000 << 10,) * 2); "
    told = refused("train", "digits", "-q", cwd=tmp_path, before=before)
    assert "out of memory" in told or "are available" in told


@pytest.mark.parametrize("name", ["/dev/zero", "pipe", "loop"])
def test_what_never_ends_is_not_read(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    assert "cannot read" in refused("import", name, "digits", cwd=tmp_path)


def test_a_recipe_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.toml")
    with pytest.raises(RecipeError, match="not a file but a pipe or a device"):
        load_recipe(tmp_path / "a.toml")


def test_errors_of_the_system_in_words() -> None:
    assert "out of memory" in (explained(MemoryError()) or "")
    assert "out of memory" in (explained(ImportError("x.so: failed to map segment from")) or "")
    assert explained(RuntimeError("a bug")) is None
    assert explained(ImportError("a bug")) is None
    long = explained(OSError(errno.ENAMETOOLONG, "File name too long", "a" * 300)) or ""
    assert "the name is too long" in long
    assert len(long) < 200
    with pytest.raises(UnicodeEncodeError) as caught:
        'a = 1\nimages = "run\udcff"\nb = 2'.encode()
    assert explained(caught.value) == "the name 'run\\udcff' is not UTF-8; rename it"


def test_memory_is_asked_for_before_it_is_taken(
    bars: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    recipe = load_recipe(bars)
    with pytest.raises(RecipeError, match=r"needs at least \d+ MiB, .* but 0 MiB are available"):
        assemble.check_memory(recipe, assemble.load_parts(recipe))
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    assemble.check_memory(recipe, assemble.load_parts(recipe))
    monkeypatch.setattr(_memory, "available_memory", lambda: 1 << 30)
    with pytest.raises(ConfigError, match=r"a step takes 18\.0 GiB, and 1\.0 GiB are available"):
        check_available(18 << 30, "a step")
    check_available(1 << 29, "a step")


def test_what_is_available_is_less_than_the_machine_has() -> None:
    found = available_memory()
    if found is not None:
        assert 0 <= found <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert (shown_bytes(350 << 20), shown_bytes(3 << 30)) == ("350 MiB", "3.0 GiB")


def test_a_million_layers_are_not_made(bars: Path) -> None:
    deep = {"name": "vgg", "hidden": [4], "channels": [1], "convolutions": [1_000_000]}
    recipe = load_recipe(bars, {f"model.{key}": value for key, value in deep.items()})
    with pytest.raises(ShapeError, match="more than 10,000 layers"):
        assemble.build_model(recipe, (1, 8, 8), 3)


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("9999", r"line 5: label 9999 makes 10,000 classes, but only 4 of them occur"),
        ("x" * 3000, r"has 3,000 characters; a class name has at most 200"),
    ],
)
def test_one_label_that_is_a_slip(label: str, why: str, bars: Path) -> None:
    table = bars.parent / "labels.csv"
    rows = table.read_text().splitlines()
    if not label.isdecimal():
        rows = [rows[0], *(f"{row.split(',')[0]},word{row.split(',')[1]}" for row in rows[1:])]
    rows[4] = f"{rows[4].split(',')[0]},{label}"
    table.write_text("\n".join(rows) + "\n")
    with pytest.raises(LabelError, match=why):
        assemble.load_parts(load_recipe(bars))
