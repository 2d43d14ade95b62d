"""The run folder: the only truth about a training."""

from handloom.runs import kept as kept
from handloom.runs.environment import describe_environment as describe_environment
from handloom.runs.lock import RunLock as RunLock
from handloom.runs.lock import counting as counting
from handloom.runs.run import RUNS as RUNS
from handloom.runs.run import RunFolder as RunFolder
from handloom.runs.run import new_run as new_run
