"""The search: trials are begun, trained, given up, gone on with."""

from handloom.experiments.tune.crew import Crew as Crew
from handloom.experiments.tune.listener import Listener as Listener
from handloom.experiments.tune.storage import Storage as Storage
from handloom.experiments.tune.trial import Outcome as Outcome
from handloom.experiments.tune.trial import Progress as Progress
from handloom.experiments.tune.trial import Task as Task
from handloom.experiments.tune.trial import train_trial as train_trial
from handloom.experiments.tune.tune import tune as tune
