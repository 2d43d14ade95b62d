"""Does a test notice when a line of the source is wrong? mutmut changes one thing at a time.

    make mutants PART=training [SAMPLE=300]      or, for one function:
    python tests/mutants/mutants.py training --only 'trainer.*fit*'

A part (parts.toml) is some source and the tests that speak for it, which run in one process. Its
work lies in .mutants/<part>, so that a run that was stopped goes on, and what was killed once is
not tried again before its function changes. The letters of sentences are not mutated: what a
message says is for the tests, how it says it is not.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import tomli_w

ROOT = Path(__file__).resolve().parents[2]
KILLED, TIMEOUT, NO_TESTS = (1, 3), (-24, 24, 36, 152, 255), 33  # exit codes in mutmut's records


def main() -> None:
    parts = tomllib.loads((Path(__file__).parent / "parts.toml").read_text())
    parser = argparse.ArgumentParser(description="Mutation testing of one part of the source.")
    parser.add_argument("part", choices=parts)
    parser.add_argument("--sample", type=int, help="only so many mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--only", default="*", help="only mutants whose name fits this pattern")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--report", action="store_true", help="only tell what is known")
    given = parser.parse_args()
    folder = ROOT / ".mutants" / given.part
    if not given.report:
        _prepare(folder, **parts[given.part])
        # Named after no mutant, mutmut makes them, sees which test runs which, and stops.
        _mutmut(folder, ["run", "--max-children", str(given.processes), "none of them"])
    mutants = {
        name: code
        for name, code in _mutants(folder).items()
        if fnmatch(name, given.only if given.only == "*" else f"*{given.only}*")
    }
    chosen = sorted(mutants)
    if given.sample is not None and given.sample < len(chosen):
        chosen = sorted(random.Random(given.seed).sample(chosen, given.sample))
    if not given.report:
        left = [name for name in chosen if mutants[name] not in (*KILLED, *TIMEOUT)]
        if left:
            _mutmut(folder, ["run", "--max-children", str(given.processes), *left])
        mutants = _mutants(folder)
    _report(folder, {name: mutants[name] for name in chosen})


def _prepare(folder: Path, source: list[str], tests: list[str], leave_out: str = "") -> None:
    """A copy of the sources and tests as they are now, and mutmut's configuration in it."""
    for old in ("src", "tests", "mutants/tests"):
        shutil.rmtree(folder / old, ignore_errors=True)
    skipped = shutil.ignore_patterns("__pycache__")
    for name in ("src", "tests", "docs", "examples"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True, ignore=skipped)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    selected = [
        str(path.relative_to(ROOT)) for pattern in tests for path in sorted(ROOT.glob(pattern))
    ]
    project["tool"]["mutmut"] = {
        "source_paths": ["src"],
        "only_mutate": [
            f"src/handloom/{room}" if room.endswith(".py") else f"src/handloom/{room}/*"
            for room in source
        ],
        "pytest_add_cli_args_test_selection": selected,
        "pytest_add_cli_args": [
            "-p",
            "no:cacheprovider",
            "-p",
            "quickest_first",
            "-k",
            f"not ({leave_out})" if leave_out else "",
        ],
        "also_copy": ["docs", "examples"],
        "track_dependencies": False,
        "timeout_constant": 5.0,  # seconds; many a mutant loops for ever
        "timeout_multiplier": 3.0,
    }
    (folder / "pyproject.toml").write_text(tomli_w.dumps(project))


def _mutmut(folder: Path, arguments: list[str]) -> None:
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",  # a process that was forked has no threads of BLAS
        "PYTHONPATH": os.pathsep.join(paths),  # for the plugin quickest_first
    }
    program = [sys.executable, "-c", "from mutmut.__main__ import cli; cli()", *arguments]
    log = folder / "mutmut.log"
    print(f"{len(arguments) - 3} mutants; what mutmut says is in {log}", flush=True)
    with log.open("wb") as stream:
        subprocess.run(program, cwd=folder, env=environment, stdout=stream, stderr=stream)


def _mutants(folder: Path) -> dict[str, int | None]:
    """Every mutant by its name, with the exit code of the tests under it; None before they ran."""
    found: dict[str, int | None] = {}
    for record in sorted((folder / "mutants" / "src").rglob("*.meta")):
        if not (folder / record.relative_to(folder / "mutants").with_suffix("")).is_file():
            continue  # its source is gone
        codes = json.loads(record.read_text())["exit_code_by_key"]
        wordings = _wordings(record.with_suffix("")) if codes else set()
        found |= {name: code for name, code in codes.items() if _short(name) not in wordings}
    return found


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _functions(path: Path) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions in the file that mutmut wrote: originals and their mutants."""
    return {
        node.name: node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "__mutmut_" in node.name
    }


def _wordings(path: Path) -> set[str]:
    """The mutants that differ from their original in the letters of a sentence alone."""
    functions = _functions(path)
    originals: dict[str, str] = {}
    found = set()
    for name, node in functions.items():
        original = f"{name.rpartition('__mutmut_')[0]}__mutmut_orig"
        if original not in originals:
            originals[original] = _without_wording(functions[original])
        if name != original and _without_wording(node) == originals[original]:
            found.add(name)
    return found


def _without_wording(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    texts = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    ]
    kept = [text.value for text in texts]
    for text in texts:
        text.value = " "
    plain = "".join(ast.dump(part) for part in [*function.body, function.args])
    for text, value in zip(texts, kept, strict=True):
        text.value = value
    return plain


def _report(folder: Path, mutants: dict[str, int | None]) -> None:
    """The score with its 95 % interval (Wilson's), and what survived."""
    killed = sum(code in KILLED for code in mutants.values())
    late = sum(code in TIMEOUT for code in mutants.values())
    untried = sum(code is None for code in mutants.values())
    lines = [text for name, text in _survivors(folder, mutants)]
    tried = len(mutants) - untried
    low, high = _interval(killed + late, tried)
    summary = (
        f"{folder.name}: {killed + late} of {tried} mutants killed"
        f" ({(killed + late) / max(tried, 1):.1%}; 95 % interval {low:.1%} to {high:.1%};"
        f" {late} by the clock, {untried} not tried)"
    )
    (folder / "survivors.txt").write_text("\n".join([summary, *lines, ""]))
    print("\n".join([*lines, summary]))


def _survivors(folder: Path, mutants: dict[str, int | None]) -> Iterator[tuple[str, str]]:
    for name, code in mutants.items():
        if code is None or code in (*KILLED, *TIMEOUT):
            continue
        module = name.rpartition(".")[0].replace(".", "/")
        path = folder / "mutants" / "src" / f"{module}.py"
        if not path.is_file():
            path = path.with_suffix("") / "__init__.py"
        functions = _functions(path)
        original = f"{_short(name).rpartition('__mutmut_')[0]}__mutmut_orig"
        what = "no test runs it" if code in (5, NO_TESTS) else "survives"
        yield name, f"{name}: {what}\n{_difference(functions[original], functions[_short(name)])}"


def _difference(original: Any, mutant: Any) -> str:
    mutant.name = original.name
    before, after = (ast.unparse(node).splitlines() for node in (original, mutant))
    removed = [f"    - {line.strip()}" for line in before if line not in after]
    added = [f"    + {line.strip()}" for line in after if line not in before]
    return "\n".join([*removed, *added])


def _interval(hits: int, count: int) -> tuple[float, float]:
    if not count:
        return 0.0, 1.0
    z, share = 1.96, hits / count
    middle = share + z * z / (2 * count)
    reach = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (middle - reach) / (1 + z * z / count), (middle + reach) / (1 + z * z / count)


if __name__ == "__main__":
    main()
