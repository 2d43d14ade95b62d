"""A worker, as a program: tasks come on standard input, reports go out, a JSON object a line.

    -> {"key": …, "paths": …}             a Task
    <- {"epoch": 3, "value": 0.91, …}     a Progress, after every epoch
    -> {"go_on": true}                    the answer, for which it waits
    <- {"state": "complete", …}           an Outcome

What anything else prints goes to standard error, the worker's log. When standard input ends, the
process that started the worker is gone, and the worker exits at once: it loses an epoch at most.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from dataclasses import asdict
from typing import Any

from handloom.series.task import Outcome, Progress, Task, train_task


class _Line:
    """The two directions of the connection."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            self._orders.put(json.loads(line))
        os._exit(0)

    def next(self) -> dict[str, Any]:
        """Wait for an order."""
        return self._orders.get()

    def send(self, message: Progress | Outcome) -> None:
        """Send a report."""
        print(json.dumps(asdict(message)), file=self._out, flush=True)

    def report(self, progress: Progress) -> bool:
        """Send how far it is; returns whether to continue."""
        self.send(progress)
        return self.next()["go_on"]


def main() -> None:
    """Train one task after the other, until standard input ends."""
    line = _Line()
    while True:
        task = Task(**line.next())
        try:
            outcome = train_task(task, line.report)
        except Exception as error:
            traceback.print_exc()
            bug = f"{type(error).__name__}: {error}, a bug; its traceback is in the worker's log"
            outcome = Outcome(task.key, "stopped", bug)
        line.send(outcome)


if __name__ == "__main__":
    main()
