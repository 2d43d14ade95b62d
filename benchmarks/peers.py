"""Ours beside its peers: `handloom bench`, from the checkout.

    python benchmarks/peers.py --workloads W1,W4 --rounds 9

What is compared and how: src/handloom/bench/. Options: `--help`.
"""

from __future__ import annotations

import sys

from handloom.cli.main import main

if __name__ == "__main__":
    sys.argv.insert(1, "bench")
    main()
