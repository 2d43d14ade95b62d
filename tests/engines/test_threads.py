"""How many threads: the least of cores, quota and limits, unless a number is given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import handloom as hl
from handloom.engines import threads
from handloom.engines.threads import (
    MOST_PER_CORE,
    VARIABLES,
    above_the_limit,
    available_cores,
    check_threads,
    limited_to,
    possible_threads,
)
from handloom.errors import ConfigError
from handloom.recipes import load_recipe
from handloom.run import assemble
from handloom.training import Trainer


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight cores, and nobody who limits them."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(threads, "_quota", lambda: None)


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets how many threads the libraries that are loaded have."""

    def set_to(*numbers: int) -> None:
        found = [{"internal_api": f"library {n}", "num_threads": n} for n in numbers]
        monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: found)

    return set_to


def blas() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


# -- the default -----------------------------------------------------------------------------------


def test_cores_are_the_default(pools, monkeypatch: pytest.MonkeyPatch) -> None:
    pools(64, 16)
    assert available_cores() == 8
    assert available_cores(processes=3) == 2
    assert available_cores(processes=9) == 1
    monkeypatch.setattr(threads, "_quota", lambda: 3)
    assert available_cores() == 3
    monkeypatch.setattr(threads, "_quota", lambda: 50)
    assert available_cores() == 8


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", 1), ("3", 3), (" 2 ", 2), ("2,5", 2), ("100", 8), ("0", 8), ("", 8), ("two", 8),
     ("-1", 8), ("9" * 5000, 8)],
)  # fmt: skip
def test_a_limit_in_the_environment_is_kept(
    pools, monkeypatch: pytest.MonkeyPatch, name: str, text: str, expected: int
) -> None:
    pools()
    monkeypatch.setenv(name, text)
    assert available_cores() == expected


def test_the_least_of_all_limits_counts(pools, monkeypatch: pytest.MonkeyPatch) -> None:
    pools(5, 4, 6)
    assert available_cores() == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert available_cores() == 3
    # They limit each process, and are not shared.
    assert (available_cores(processes=2), available_cores(processes=4)) == (3, 2)


def test_a_limit_of_threadpoolctl_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert blas(), "this NumPy has no BLAS that threadpoolctl knows"
    with threadpool_limits(1):
        assert available_cores() == 1
        with limited_to(available_cores()):
            assert set(blas()) == {1}


def test_a_process_that_is_allowed_one_thread_trains_on_one(bars: Path, tmp_path: Path) -> None:
    """As joblib starts its workers; through the estimator and through a run."""
    program = f"""
import handloom as hl
from handloom.estimator import learner
seen = []
limited_to = learner.limited_to
learner.limited_to = lambda threads: seen.append(threads) or limited_to(threads)
hl.Classifier(4, epochs=1, engine="numpy").fit([[0.0], [1.0]], [0, 1])
assert seen == [1], seen
recipe = hl.load_recipe({str(bars)!r}, {{"training.threads": None}})
run = hl.train(recipe, run_dir={str(tmp_path / "run")!r}, pictures=False)
assert run.recipe.training.threads == 1
"""
    environ = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", program], env=environ, check=True)


# -- a number that is given ------------------------------------------------------------------------


def test_a_number_far_above_the_cores_is_refused(pools) -> None:
    pools(1)
    for fine in (None, 1, 8, MOST_PER_CORE * 8):
        check_threads(fine)
    with pytest.raises(ConfigError, match=r"training\.threads is 33, but this process has 8 cores; "
                       r"use at most 32 threads, or remove training\.threads"):  # fmt: skip
        check_threads(33)


def test_one_core_is_spelled_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_quota", lambda: 1)
    with pytest.raises(ConfigError, match="this process has 1 core; use at most 4 threads"):
        check_threads(5)


@pytest.mark.parametrize(
    "start",
    [
        lambda recipe, out: hl.train(recipe, run_dir=out),
        lambda recipe, out: hl.train_ensemble(recipe, seeds=2, run_dir=out),
        lambda recipe, out: assemble.explain_plan(recipe),
        lambda recipe, out: hl.Classifier(threads=1000).fit([[0.0], [1.0]], [0, 1]),
        lambda recipe, out: hl.Classifier(threads=1000).partial_fit([[0.0], [1.0]], [0, 1]),
    ],
)
def test_it_is_refused_before_anything_is_written(start, bars: Path, tmp_path: Path) -> None:
    recipe = load_recipe(bars, {"training.threads": 1000})
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match=r"threads is 1000, but this process has 8 cores"):
        start(recipe, out)
    assert not out.exists()


def test_a_run_from_a_larger_machine_is_opened_with_what_this_one_has(bars: Path) -> None:
    assert possible_threads(64) == 64  # of the machine's 16 cores, whatever the affinity
    assert possible_threads(1000) == 64
    for told, expected in ((3, 3), (64, 64), (1000, 64)):
        assert assemble.count_threads(load_recipe(bars, {"training.threads": told})) == expected


def test_the_user_is_told_of_the_limit_that_the_recipe_exceeds(
    pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools(4)
    assert above_the_limit(4) is None
    assert "exceeds the present limit, the threads of library 4 = 4" in (above_the_limit(5) or "")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert "training.threads = 3 exceeds the present limit, OMP_NUM_THREADS = 2" in (
        above_the_limit(3) or ""
    )


def test_a_run_keeps_its_threads_and_says_so(bars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed training has the bits of its own number of threads, whatever limits it now."""
    monkeypatch.setattr(threads, "_limits", dict)
    run = hl.train(bars, overrides={"training.threads": 2}, pictures=False)
    monkeypatch.setattr(threads, "_limits", lambda: {"OMP_NUM_THREADS": 1})
    heard = Heard()
    run.folder.result.unlink()
    again = hl.resume(run.path, callbacks=[heard], pictures=False)
    assert again.recipe.training.threads == 2
    assert heard.notes[-1].startswith("training.threads = 2 exceeds the present limit, OMP_NUM_TH")
    assert heard.blas == {2}


class Heard(hl.callbacks.Callback):
    """The notes of a training, and BLAS's threads within it."""

    def on_fit_start(self, training: Trainer) -> None:
        self.notes, self.blas = training.notes, set(blas())


# -- holding BLAS to it ----------------------------------------------------------------------------


def test_limits_are_what_they_were_after_nested_contexts() -> None:
    with threadpool_limits(3):
        with limited_to(2):
            with limited_to(1):
                assert set(blas()) == {1}
            assert set(blas()) == {2}
        assert set(blas()) == {3}


# -- a container's quota ---------------------------------------------------------------------------


QUOTAS = {
    "0::/\n": {"cpu.max": "150000 100000\n"},
    "0::/user/job\n": {"cpu.max": "max 100000\n", "user/cpu.max": "100000 100000\n"},
    "0::/user/inner\n": {"user/cpu.max": "900000 100000\n", "user/inner/cpu.max": "1 100000"},
    "4:memory:/x\n2:cpu,cpuacct:/jobs/7\n0::/\n": {
        "cpu,cpuacct/jobs/7/cpu.cfs_quota_us": "100000\n",
        "cpu,cpuacct/jobs/7/cpu.cfs_period_us": "100000\n",
    },
    "1:cpu:/docker/abc\n": {
        "cpu/cpu.cfs_quota_us": "180000\n",
        "cpu/cpu.cfs_period_us": "100000\n",
        "cpu/docker/abc/cpu.cfs_quota_us": "-1\n",
        "cpu/docker/abc/cpu.cfs_period_us": "100000\n",
    },
    "0::/Xbox\n": {"Xbox/cpu.max": "100000 100000\n"},
}


@pytest.mark.parametrize("memberships", QUOTAS)
def test_a_quota_is_found_wherever_it_stands(
    tmp_path: Path, memberships: str, quota: Callable[[Path, Path], int | None]
) -> None:
    (tmp_path / "membership").write_text(memberships)
    for name, text in QUOTAS[memberships].items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert quota(tmp_path, tmp_path / "membership") == 1


def test_a_group_of_another_hierarchy_has_no_say(tmp_path: Path, quota) -> None:
    """In version 2 a folder named cpu is a group like any other."""
    (tmp_path / "membership").write_text("0::/job\n")
    for name, text in (("job", "300000 100000"), ("cpu/job", "100000 100000")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "cpu.max").write_text(text)
    assert quota(tmp_path, tmp_path / "membership") == 3


@pytest.fixture
def quota() -> Callable[[Path, Path], int | None]:
    return QUOTA


QUOTA = threads._quota


@pytest.mark.parametrize(
    ("text", "expected"),
    [("max 100000", None), ("400000 100000", 4), ("399999 100000", 3), ("", None), ("1 0", None)],
)
def test_a_quota_is_whole_cores(tmp_path: Path, quota, text: str, expected: int | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert quota(tmp_path, tmp_path / "nowhere") == expected
    (tmp_path / "cpu.max").unlink()
    assert quota(tmp_path, tmp_path / "nowhere") is None


def test_threads_change_no_bit_of_the_estimator() -> None:
    X = np.random.default_rng(0).standard_normal((60, 5))
    y = np.arange(60) % 3
    one, three = (
        hl.Classifier(16, epochs=3, threads=n, random_state=0).fit(X, y).predict_proba(X)
        for n in (1, 3)
    )
    np.testing.assert_array_equal(one, three)
