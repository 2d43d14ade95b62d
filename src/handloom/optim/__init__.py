"""Optimizers, gradient clipping and learning-rate schedules."""

from __future__ import annotations

from handloom.optim.adam import Adam as Adam
from handloom.optim.adamw import AdamW as AdamW
from handloom.optim.average import average_decay as average_decay
from handloom.optim.clip import clip_by_norm as clip_by_norm
from handloom.optim.clip import clip_by_value as clip_by_value
from handloom.optim.clip import global_norm as global_norm
from handloom.optim.lookahead import Lookahead as Lookahead
from handloom.optim.momentum import Momentum as Momentum
from handloom.optim.muon import Muon as Muon
from handloom.optim.nesterov import Nesterov as Nesterov
from handloom.optim.optimizer import Optimizer as Optimizer
from handloom.optim.optimizer import Slots as Slots
from handloom.optim.rmsprop import RMSprop as RMSprop
from handloom.optim.schedules import Constant as Constant
from handloom.optim.schedules import Cosine as Cosine
from handloom.optim.schedules import Exponential as Exponential
from handloom.optim.schedules import ExponentialTime as ExponentialTime
from handloom.optim.schedules import Linear as Linear
from handloom.optim.schedules import MultiStep as MultiStep
from handloom.optim.schedules import OneCycle as OneCycle
from handloom.optim.schedules import Schedule as Schedule
from handloom.optim.schedules import StepDecay as StepDecay
from handloom.optim.schedules import Warmup as Warmup
from handloom.optim.sgd import SGD as SGD
from handloom.optim.weight_decay import WeightDecay as WeightDecay

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
    "muon": Muon,
}
"""The names that a recipe may use."""
