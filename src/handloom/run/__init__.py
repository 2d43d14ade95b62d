"""The run folder: the only truth about a training."""

from handloom.run.environment import describe_environment as describe_environment
from handloom.run.folder import RUNS as RUNS
from handloom.run.folder import RunFolder as RunFolder
from handloom.run.folder import new_run as new_run
from handloom.run.lock import RunLock as RunLock
from handloom.run.lock import counting as counting
