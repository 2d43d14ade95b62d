"""Spoilt files by the thousand: nothing but a HandloomError comes of them, soon, in little memory.

    python tests/fuzz_files/fuzz_files.py --inputs 200000
    python tests/fuzz_files/fuzz_files.py --seed 17 --only weights --inputs 1000

Prints how many inputs each reader got and how many it refused; exit code 1 where one let another
error out, ran longer than LIMIT_S, or asked for more than MEMORY bytes on top. An input is made of
its number and the seed alone, so that `--first 4711 --inputs 1` repeats it.
"""

from __future__ import annotations

import argparse
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from spoilt import Spoilt

from handloom.errors import HandloomError

LIMIT_S = 10
MEMORY = 3 << 30
RECIPE = """
engine = "numpy"
data = { images = "images.npy", labels = "labels.csv", validation = 0.25 }
model = { name = "mlp", hidden = [4] }
optimizer = { name = "momentum", lr = 0.1 }
training = { epochs = 1, batch_size = 8, threads = 1, early_stopping_patience = 3 }
"""


class Escape(NamedTuple):
    """An input that something else came of than a value or a HandloomError."""

    number: int
    reader: str
    error: str


class TooLongError(BaseException):
    """Not an Exception: nobody is to catch it on the way."""


class Tally(NamedTuple):
    """What came of the inputs."""

    tried: Counter[str]
    refused: Counter[str]
    escapes: list[Escape]


def fuzz(spoilt: Spoilt, inputs: range, *, seed: int = 0, only: str | None = None) -> Tally:
    """Try the inputs of these numbers."""
    tally = Tally(Counter(), Counter(), [])

    def too_long(*_: object) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGALRM, too_long)
    try:
        for number in inputs:
            _try(spoilt, number, f"{seed} {number}", only, tally)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return tally


def _try(spoilt: Spoilt, number: int, seed: str, only: str | None, tally: Tally) -> None:
    rng = random.Random(seed)
    (name,) = [only] if only else rng.choices(*_weighted(spoilt))
    signal.alarm(LIMIT_S)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            spoilt.targets[name][1](rng)
    except HandloomError as error:
        tally.refused[name] += 1
        if "\n" in str(error) or len(str(error)) > 3000:
            tally.escapes.append(Escape(number, name, f"a message that is no line: {error!s:.200}"))
    except (Exception, TooLongError):
        tally.escapes.append(Escape(number, name, traceback.format_exc()))
    finally:
        signal.alarm(0)
    tally.tried[name] += 1


def _weighted(spoilt: Spoilt) -> tuple[list[str], list[float]]:
    return list(spoilt.targets), [weight for weight, _ in spoilt.targets.values()]


def make_data(folder: Path) -> Path:
    """Sixteen pictures, and a recipe beside them that trains in a moment."""
    labels = np.arange(16) % 3
    np.save(folder / "images.npy", (labels[:, None, None] * np.ones((16, 4, 4)) * 80).astype("u1"))
    rows = "".join(f"{row},{label}\n" for row, label in enumerate(labels))
    (folder / "labels.csv").write_text(f"image_id,label\n{rows}")
    (folder / "recipe-whole.toml").write_text(RECIPE)
    return folder / "recipe-whole.toml"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one reader")
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="handloom-fuzz-") as folder:
        spoilt = Spoilt(Path(folder), make_data(Path(folder)))
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(
            resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, resource.RLIM_INFINITY)
        )
        started = time.monotonic()
        numbers = range(asked.first, asked.first + asked.inputs)
        tally = fuzz(spoilt, numbers, seed=asked.seed, only=asked.only)
    for name, count in sorted(tally.tried.items()):
        print(f"{name:<18} {count:>8,} inputs, {tally.refused[name]:>8,} refused")
    alike: dict[tuple[str, str], list[Escape]] = {}
    for escape in tally.escapes:
        last = escape.error.strip().splitlines()[-1]
        alike.setdefault((escape.reader, last[:60]), []).append(escape)
    for first, *others in alike.values():
        print(f"\ninput {first.number}, {first.reader}, {len(others)} more like it:\n{first.error}")
    total, seconds = sum(tally.tried.values()), time.monotonic() - started
    print(f"\n{total:,} inputs in {seconds:,.0f} s: {len(tally.escapes)} escaped")
    return 1 if tally.escapes else 0


if __name__ == "__main__":
    sys.exit(main())
