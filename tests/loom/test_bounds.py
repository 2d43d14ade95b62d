"""Native code touches no memory but its own: behind every array lies a page that nobody may read.

A program that reads or writes beyond an array dies of it, so the trial is a process of its own, for
one network after the other. It looks at what lies between the blocks of a memory, too: nothing may
have been written there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from networks import NETWORKS

HERE = Path(__file__).parent
TRIAL = """
import ctypes, mmap, sys
import numpy as np
from handloom.loom import arena
from handloom.loom.pieces.gather import Pictures

PAGE = mmap.PAGESIZE
held, blocks = [], {}
protect = ctypes.CDLL(None).mprotect
protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

def at_the_edge(size, dtype):
    '''(size,) zeros, of which the last ends a cache line before a page that cannot be read.'''
    count = size * np.dtype(dtype).itemsize
    end = arena.round_up(max(count, 1), PAGE)
    memory = mmap.mmap(-1, end + PAGE)
    held.append(memory)
    raw = np.frombuffer(memory, np.uint8)
    assert protect(raw.ctypes.data + end, PAGE, 0) == 0
    start = end - arena.round_up(count, 64)
    return raw[start : start + count].view(dtype)

def copied(array):
    flat = at_the_edge(array.size, array.dtype)
    flat[:] = array.ravel()
    return flat.reshape(array.shape)

def take(region, size):
    block = taken(region, size)
    blocks.setdefault(region, []).append(block)
    return block

taken, arena.Region.take = arena.Region.take, take
arena.aligned = at_the_edge

from networks import Training, examples

def assert_nothing_between(memory, regions):
    for region, copies, apart in regions:
        for block in blocks.get(region, []):
            for copy in range(copies):
                start = block.start + copy * apart
                memory[start : start + block.size] = 0
    assert not memory.any()

def train_and_look(name, dtype):
    settings = {"clip_norm": 1.0, "ema": 0.9, "batch": 17} if name == "rows" else {}
    training = Training(name, dtype=dtype, threads=2, **settings)
    x, labels = (copied(array) for array in examples(name, 16 * 2 + 5))
    training.train(copied(x.astype(dtype)), labels)
    if name in ("dark", "lenet"):
        pixels = copied((np.abs(x) * 99).astype(np.uint8))
        training.train(pixels, labels, Pictures((1 / 255,), (0.0,), sparse=name == "dark"))
    for count, batch in ((37, 16), (1, 1)):
        training.compiled.predict(copied(x[:count].astype(dtype)), Pictures(), batch)
    compiled = training.compiled
    for native in compiled._programs.values():
        here = native.plan.arena
        apart = here.scratch.size
        assert_nothing_between(native.work, [(here.work, 1, 0), (here.scratch, 2, apart)])
    here = compiled.plan.arena
    states = 1 + compiled.request.states
    assert_nothing_between(
        compiled.parameters, [(here.parameters, states, here.distance), (here.buffers, 1, 0)]
    )

for name in sys.argv[1:]:
    train_and_look(name, np.float32)
    print(name, flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect as Linux has it")
def test_nothing_lies_beyond_an_array() -> None:
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", TRIAL, *NETWORKS],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.split() == list(NETWORKS), done.stderr  # who is missing was not sound
