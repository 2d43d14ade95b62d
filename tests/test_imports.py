"""Who may know whom: imports go downwards only, and optional libraries live in a folder each."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import handloom

ROOT = Path(handloom.__file__).parent
FLOORS = (
    ("errors", "_typing", "_reasons"),
    ("_optional", "_files", "_memory", "_registry"),
    ("_kept",),
    ("nn", "optim", "data"),
    ("models", "recipes"),
    ("loom",),
    ("engines",),
    ("training", "views"),
    ("run",),
    ("exchange", "estimator", "series"),
    ("studies",),
    ("diagnosis",),
    ("report",),
    ("cli",),
)
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
HOMES_OF = {
    "llvmlite": ("loom",),
    "torch": ("engines",),
    "onnx": ("exchange",),
    "onnxruntime": ("exchange",),
    "cv2": ("data",),
    "sklearn": ("data", "studies", "diagnosis", "estimator"),
    "scipy": ("studies", "diagnosis"),  # scikit-learn, a dependency, brings it
    "pooch": ("data",),
    "requests": ("data",),
    "urllib3": ("data",),
    "matplotlib": ("views",),
    "jinja2": ("report",),
    "pydantic": ("recipes", "studies"),
    "tomli_w": ("recipes", "studies"),
    "optuna": ("studies",),
    "ray": ("series",),
    "safetensors": ("training", "exchange"),
    "rich": ("cli",),
    "typer": ("cli",),
}
NUMPY_ONLY = ("nn", "optim")
FILES = sorted(ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def imported_modules(path: Path) -> frozenset[str]:
    """Every module that a file imports, at its top, within functions, for types only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            if node.module == "handloom":
                found |= {f"handloom.{alias.name}" for alias in node.names}
    return frozenset(found)


def rooms_imported(path: Path) -> set[str]:
    parts = (module.split(".") for module in imported_modules(path))
    return {part[1] for part in parts if part[0] == "handloom" and len(part) > 1}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_downwards(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    own = FLOOR_OF[room]
    for other in rooms_imported(path) - {room, "__version__"}:
        assert other in FLOOR_OF, f"{path}: {other} stands on no floor of this house"
        neighbour_allowed = room == "optim" and other == "nn"  # a rule needs Parameter
        assert FLOOR_OF[other] < own or neighbour_allowed, f"{room} may not know {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_library_stays_at_home(path: Path) -> None:
    for library in {module.split(".")[0] for module in imported_modules(path)} & HOMES_OF.keys():
        homes = HOMES_OF[library]
        assert room_of(path) in homes, f"{path}: {library} belongs to {homes or 'the tests'}"


def test_one_room_of_the_engines_knows_torch() -> None:
    inside = ROOT / "engines" / "torch"
    for path in (ROOT / "engines").rglob("*.py"):
        knows = "torch" in {module.split(".")[0] for module in imported_modules(path)}
        assert not knows or inside in path.parents, f"{path}: torch belongs to {inside}"


@pytest.mark.parametrize(
    "path", [p for p in FILES if room_of(p) in NUMPY_ONLY], ids=lambda p: str(p.relative_to(ROOT))
)
def test_the_textbook_knows_numpy_only(path: Path) -> None:
    allowed = sys.stdlib_module_names | {"numpy", "handloom"}
    assert {module.split(".")[0] for module in imported_modules(path)} <= allowed


def test_every_room_has_its_floor() -> None:
    assert {room_of(path) for path in FILES} - {"__init__"} <= FLOOR_OF.keys()


def test_import_stays_light() -> None:
    heavy = ("torch", "llvmlite", "matplotlib", "sklearn", "cv2", "pooch", "rich", "scipy", "onnx")
    code = f"import sys, handloom; print([m for m in {heavy} if m in sys.modules])"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "[]"


def test_no_file_is_too_long() -> None:
    long = {
        str(p.relative_to(ROOT)): n for p in FILES if (n := len(p.read_text().splitlines())) > 300
    }
    assert long == {}
