"""The run folder: the only truth about a training."""

from handloom.runs.environment import describe_environment as describe_environment
from handloom.runs.lock import RunLock as RunLock
from handloom.runs.run import RunFolder as RunFolder
