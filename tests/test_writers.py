"""Files are written in one place, `_files`; whoever does it by himself gives a reason here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import handloom

ROOT = Path(handloom.__file__).parent
WRITING = {
    "chmod", "copy2", "copyfile", "copytree", "fdopen", "hardlink_to", "imsave", "imwrite",
    "makedirs", "mkdir", "mkdtemp", "mkfifo", "mkstemp", "move", "NamedTemporaryFile",
    "open_memmap", "removedirs", "rename", "rmdir", "rmtree", "safe_save", "save", "save_file",
    "savefig", "savetxt", "savez", "savez_compressed", "symlink", "symlink_to",
    "TemporaryDirectory", "TemporaryFile", "tofile", "touch", "truncate", "unlink", "write_bytes",
    "write_html", "write_image", "write_text",
}  # fmt: skip
"""Names of functions and methods that make, change or remove a file or a folder."""

REASONS = {
    ("_files.py", "*"): "the place",
    ("cli/streams.py", "open"): "os.devnull, where a stream is closed",
    (
        "data/known/download.py",
        "mkdir",
    ): "the user's cache, which may be a link; or DataError",
    ("data/known/download.py", "replace"): "a rename in the same folder, once the bytes are proved",
    ("data/known/download.py", "unlink"): "its own temporary files",
    ("studies/ensemble/train.py", "save"): "into memory",
    ("exchange/weights_file.py", "save"): "into memory",
    ("studies/reproduce/rows/contest.py", "save"): "into memory",
    ("studies/search/folder.py", "rename"): "a trial's folder, whole, in one step",
    ("series/worker.py", "fdopen"): "standard output",
    ("loom/native/cache.py", "fdopen"): "reads",
    ("loom/native/cache.py", "mkdir"): "closed to others from its first moment",
    ("loom/native/cache.py", "unlink"): "in a folder that is proved to be the user's own",
    ("training/checkpoint.py", "save"): "into memory",
    ("views/sheet.py", "savefig"): "into memory",
}


def writers(path: Path) -> set[str]:
    """The names of what a module calls that could write."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name in WRITING or (name == "open" and not _reads(node)) or _renames(node, name):
            found.add(name)
    return found


def _reads(call: ast.Call) -> bool:
    """Whether a call of `open` names a mode, or opens something that has none, without writing."""
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    texts = [value.value for value in values if isinstance(value, ast.Constant)]
    flags = {node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute)}
    writes = flags & {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"}
    return not writes and not any(isinstance(t, str) and set(t) & set("wax+") for t in texts)


def _renames(call: ast.Call, name: str) -> bool:
    """Whether a `replace` is a file's: texts are given two arguments, dataclasses keywords."""
    return name == "replace" and len(call.args) == 1 and not call.keywords


def test_nobody_writes_by_himself() -> None:
    found = {
        (str(path.relative_to(ROOT)), name)
        for path in ROOT.rglob("*.py")
        if path.name != "_files.py"
        for name in writers(path)
    }
    assert found - REASONS.keys() == set()
    assert REASONS.keys() - found == {("_files.py", "*")}, "a reason that is not needed any more"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("open(p, 'w')", {"open"}),
        ("p.open('ab')", {"open"}),
        ("p.open(mode='x')", {"open"}),
        ("os.open(p, os.O_RDWR)", {"open"}),
        ("p.open('rb'); open(p)", set()),
        ("p.write_text('')", {"write_text"}),
        ("q.replace(p); 'a'.replace('a', 'b')", {"replace"}),
        ("np.save(p, a)", {"save"}),
    ],
)
def test_a_writer_is_seen(text: str, told: set[str], tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(text)
    assert writers(tmp_path / "a.py") == told
