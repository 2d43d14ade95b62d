"""What all tests share: one seeded generator, the real data where they are, and --slow."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# Before NumPy and PyTorch are loaded: several test processes that each start a thread a core would
# wait for one another. Whoever asks for threads by name still gets them.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the long tests too")
    parser.addoption(
        "--light", action="store_true", help="leave out what imports torch or compiles"
    )
    parser.addoption(
        "--kills", type=int, default=0, help="kills that each training survives in the kill tests"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Programs are compiled once a session and left nowhere, unless HANDLOOM_CACHE says where.

    Of what Hypothesis draws a third is tried, unless there is time.
    """
    settings.register_profile("quick", max_examples=33)
    if not config.getoption("--slow"):
        settings.load_profile("quick")
    if "HANDLOOM_CACHE" not in os.environ:
        folder = TemporaryDirectory(prefix="handloom-cache-")
        config.add_cleanup(folder.cleanup)
        os.environ["HANDLOOM_CACHE"] = folder.name


def pytest_collection_finish() -> None:
    """What was collected stays: the garbage collector need not go through it each time."""
    gc.collect()
    gc.freeze()


LIGHT = (
    "data", "models", "nn", "optim", "recipes", "run/test_folder", "run/test_lock", "series/test_p",
    "test_files", "test_imports", "test_kept", "test_writers", "training/test_h", "training/test_m",
    "training/test_t",
)  # fmt: skip
"""What of tests/ runs with --light."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With --light, only the LIGHT part is imported."""
    if not config.getoption("--light") or collection_path.is_dir():
        return None
    name = collection_path.relative_to(Path(__file__).parent).as_posix()
    heavy = ("torch", "onnx", "page")
    return not name.startswith(LIGHT) or any(word in name for word in heavy) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    data = os.environ.get("HANDLOOM_DATA")
    for item in items:
        if item.get_closest_marker("slow") and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="long: runs with --slow"))
        if item.get_closest_marker("data") and not data:
            item.add_marker(pytest.mark.skip(reason="HANDLOOM_DATA names no folder of real data"))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


BARS = """
description = "A bar at the top, in the middle or at the bottom"
seed = 1
engine = "numpy"

[data]
images = "images.npy"
labels = "labels.csv"
test_images = "test-images.npy"
test_labels = "test-labels.csv"
validation = 0.25

[model]
name = "mlp"
hidden = [8]

[optimizer]
name = "sgd"
lr = 0.2

[training]
epochs = 3
batch_size = 16
threads = 1
"""


def _write_bars(folder: Path, part: str, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % 3)
    images = rng.integers(0, 120, (count, 6, 6))
    for row, label in enumerate(labels):
        images[row, 2 * label : 2 * label + 2] += 100
    np.save(folder / f"{part}images.npy", images.astype(np.uint8))
    rows = "".join(f"{row},{label}\n" for row, label in enumerate(labels))
    (folder / f"{part}labels.csv").write_text(f"image_id,label\n{rows}")


def _bars_in(folder: Path) -> Path:
    _write_bars(folder, "", 80, seed=1)
    _write_bars(folder, "test-", 30, seed=2)
    (folder / "bars.toml").write_text(BARS)
    return folder / "bars.toml"


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """bars.toml, a recipe that trains in a moment, beside its own 80 + 30 images of 6 × 6."""
    folder = tmp_path / "bars"
    folder.mkdir()
    return _bars_in(folder)


@pytest.fixture
def bars_twice(bars: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The only experiment there is to reproduce; its reduced version takes a moment."""
    quick = {"training.epochs": 2}
    from handloom.studies.reproduce import reproduction
    from handloom.studies.reproduce.checks import Beats
    from handloom.studies.reproduce.claims import Claim
    from handloom.studies.reproduce.experiment import Experiment, Published, SeriesSubject

    row = Experiment(
        name="bars",
        title="Bars, wide and narrow",
        source="report 0",
        subjects={
            "wide": SeriesSubject(str(bars), quick=quick, name="wide"),
            "narrow": SeriesSubject(str(bars), {"model.hidden": [1]}, quick=quick, name="narrow"),
        },
        published=(
            Published("wide", "test_accuracy", 0.9),
            Published("wide", "test_loss", 0.5),
        ),
        claims=(Claim("wide beats narrow", "0.9", Beats("wide", "narrow")),),
        note="the bars are made up",
    )
    monkeypatch.setattr(reproduction, "EXPERIMENTS", {"bars": row})
    return row


@pytest.fixture(scope="module")
def lasting_bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for all tests of a module."""
    return _bars_in(tmp_path_factory.mktemp("bars"))


@pytest.fixture(params=["numpy", "loom", "torch"])
def each_engine(request: pytest.FixtureRequest, bars: Path) -> str:
    """The test runs once an engine, which is the one that bars.toml asks for."""
    if request.param == "loom":
        machine = pytest.importorskip("handloom.loom.language.machine")
        if why := machine.unsupported():
            pytest.skip(why)
    text = bars.read_text().replace('engine = "numpy"', f'engine = "{request.param}"')
    bars.write_text(text)
    return request.param


@pytest.fixture
def data_dir() -> Path:
    """The folder of the real data sets; for tests marked `data`."""
    return Path(os.environ["HANDLOOM_DATA"]).resolve()
