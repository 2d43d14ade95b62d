"""Runs the tests of what has changed: python tests/near.py [BASE]

The tests of src/handloom/a/b.py are tests/a/test_b.py and all tests that import the module. Without
BASE the change is what is not committed yet; with it, all since that commit.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def changed(base: str) -> set[str]:
    """Paths below the root that differ from `base`, new files among them."""
    commands = [
        ["git", "diff", "--name-only", base],
        ["git", "ls-files", "--others", "--exclude-standard"],
    ]
    outputs = (
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for command in commands
    )
    return {line for output in outputs for line in output.splitlines()}


def imported(path: Path) -> set[str]:
    """The modules that a test imports, and what it imports from them, as dotted names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def near(paths: set[str]) -> list[str]:
    """The test files of these paths, by name."""
    modules = {
        path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in paths
        if path.startswith("src/handloom/") and path.endswith(".py")
    }
    found = {path for path in paths if Path(path).match("tests/**/test_*.py")}
    for test in (ROOT / "tests").rglob("test_*.py"):
        name = test.relative_to(ROOT).as_posix()
        twin = name.removeprefix("tests/").replace("test_", "").removesuffix(".py")
        if f"handloom.{twin.replace('/', '.')}" in modules or imported(test) & modules:
            found.add(name)
    return sorted(name for name in found if (ROOT / name).is_file())


def main() -> int:
    """Run pytest on them; its exit status."""
    tests = near(changed(sys.argv[1] if len(sys.argv) > 1 else "HEAD"))
    if not tests:
        print("nothing has changed that a test imports")
        return 0
    print(f"{len(tests)} test files: {' '.join(tests)}")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *tests], cwd=ROOT, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
