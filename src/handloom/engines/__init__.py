"""Engines: what runs a network. They all speak one protocol."""

from handloom.engines.alone import check_batches as check_batches
from handloom.engines.alone import norm_that_needs_two as norm_that_needs_two
from handloom.engines.base import Engine as Engine
from handloom.engines.base import Evaluation as Evaluation
from handloom.engines.base import Loss as Loss
from handloom.engines.base import StepReport as StepReport
from handloom.engines.choose import Choice as Choice
from handloom.engines.choose import choose_engine as choose_engine
from handloom.engines.choose import predicting_engine as predicting_engine
from handloom.engines.joined import joined as joined
from handloom.engines.numpy.engine import NumpyEngine as NumpyEngine
from handloom.engines.processes import ALONE as ALONE
from handloom.engines.processes import Processes as Processes
from handloom.engines.setup import TorchSettings as TorchSettings
from handloom.engines.setup import TrainingSetup as TrainingSetup
from handloom.engines.threads import above_the_limit as above_the_limit
from handloom.engines.threads import available_cores as available_cores
from handloom.engines.threads import check_threads as check_threads
from handloom.engines.threads import limited_to as limited_to
from handloom.engines.threads import possible_threads as possible_threads
