"""The program of a peer: it does what the driver says until the driver hangs up.

They meet over a pipe. The driver writes one JSON object a line, the peer answers each with one:

    {"do": "offer", "task": "train", "layers": […], "threads": [2, 1]}
                                   -> {"tasks": ["train", …], "rows": [{…}]}   see `job.Row`
    {"do": "setup", "job": {…}}    -> {"note": "torch 2.13.0, AVX512"}   anew, at the first weights
    {"do": "run", "steps": 100}    -> {"seconds": 0.05, "cpu_seconds": 0.1}
    {"do": "save", "to": PATH}     -> {}    the weights, or the outputs for the first batch (.npz)

or with {"error": "…"}. What a library prints goes to standard error.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.job import Job, Row, Runner, Unable


def serve(peer: Any) -> None:
    """Answer line by line; `peer` is a module as the package describes it."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    runner: Runner | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "offer":
                answer: dict[str, Any] = _offer(peer, request)
            elif request["do"] == "setup":
                runner = None  # let go of the old one first
                gc.collect()
                job = Job.from_json(request["job"])
                if job.task not in peer.TASKS:
                    raise Unable(f"does no {job.task}")
                made: Runner = peer.TASKS[job.task](job)
                runner = made
                answer = {"note": made.note}
            elif runner is None:
                raise Unable("there is no job yet")
            elif request["do"] == "run":
                answer = _timed(runner, request["steps"])
            else:
                result: dict[str, Any] = runner.result()
                np.savez(request["to"], **result)
                answer = {}
        except Exception as error:
            if not isinstance(error, Unable):
                sys.excepthook(type(error), error, error.__traceback__)
            answer = {"error": _in_a_line(error)}
        answers.write(json.dumps(answer) + "\n")


def _offer(peer: Any, request: dict[str, Any]) -> dict[str, Any]:
    task, layers, threads = (request[key] for key in ("task", "layers", "threads"))
    rows = [Row(peer.TITLE, threads[0])]
    if hasattr(peer, "rows"):
        rows = peer.rows(task, layers, threads)
    relu_only = getattr(peer, "RELU_ONLY", False)
    return {
        "tasks": list(peer.TASKS),
        "rows": [{**asdict(row), "relu_only": relu_only} for row in rows],
    }


def _timed(runner: Runner, steps: int) -> dict[str, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    runner.run(steps)
    return {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
    }


def _in_a_line(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    return first if isinstance(error, Unable) else f"{type(error).__name__}: {first}"


if __name__ == "__main__":
    serve(importlib.import_module(f"benchmarks.peers.{sys.argv[1]}"))
