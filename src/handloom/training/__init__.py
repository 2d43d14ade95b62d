"""The one training loop, and what listens to it."""

from handloom.training.checkpoint import Checkpoint as Checkpoint
from handloom.training.checkpoint import load_checkpoint as load_checkpoint
from handloom.training.checkpoint import save_checkpoint as save_checkpoint
from handloom.training.history import History as History
from handloom.training.trainer import Trainer as Trainer
from handloom.training.trainer import evaluate as evaluate
