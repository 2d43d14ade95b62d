"""Random trainings on every engine against PyTorch: `python tests/fuzz/fuzz.py --cases 2000`.

Prints each difference above its bound with the seed that repeats it, those in parentheses that
growing roundings explain (see `differences`), and ends with exit code 1 if there was another.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings

import torch
from differences import differences
from random_cases import random_case

from handloom.loom.language.machine import kinds_here


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seed", type=int, default=0, help="of the first case")
    arguments.add_argument("--cases", type=int, default=100)
    arguments.add_argument("--every", type=int, default=50, help="cases between two lines")
    asked = arguments.parse_args()
    warnings.filterwarnings("ignore", "Using padding='same' with even kernel lengths")
    torch.set_num_threads(1)  # waiting for each other on small arrays takes half of the time
    targets = (None, *kinds_here())
    started, found, by_twins = time.monotonic(), 0, 0
    for number in range(asked.cases):
        seed = asked.seed + number
        precisions = ("float64", "float32") if seed % 3 == 0 else ("float64",)
        above = list(differences(random_case(seed, targets), precisions))
        faults = [each for each in above if not each.is_growth]
        found += len(faults)
        by_twins += bool(above) and not faults
        for each in above:
            print(f"({each})" if each.is_growth else each, flush=True)
        if (number + 1) % asked.every == 0 or number + 1 == asked.cases:
            minutes = (time.monotonic() - started) / 60
            print(
                f"{number + 1} cases, {found} differences, {by_twins} cases decided by twins, "
                f"{minutes:.1f} min",
                flush=True,
            )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
