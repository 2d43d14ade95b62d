"""Callbacks: what listens to the training loop."""

from handloom.training.callbacks.base import Callback as Callback
from handloom.training.callbacks.base import Training as Training
from handloom.training.callbacks.checkpoints import BestWeights as BestWeights
from handloom.training.callbacks.checkpoints import Checkpoints as Checkpoints
from handloom.training.callbacks.early_stop import EarlyStop as EarlyStop
from handloom.training.callbacks.plateau import Plateau as Plateau
from handloom.training.callbacks.tensorboard import TensorBoard as TensorBoard
