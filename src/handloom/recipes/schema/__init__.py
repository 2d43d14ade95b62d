"""What a recipe may say: one file a table of the TOML file."""

from handloom.recipes.schema.data import Augment as Augment
from handloom.recipes.schema.data import Data as Data
from handloom.recipes.schema.loss import Loss as Loss
from handloom.recipes.schema.model import Model as Model
from handloom.recipes.schema.optimizer import Optimizer as Optimizer
from handloom.recipes.schema.recipe import Recipe as Recipe
from handloom.recipes.schema.schedule import Schedule as Schedule
from handloom.recipes.schema.torch import Torch as Torch
from handloom.recipes.schema.training import Plateau as Plateau
from handloom.recipes.schema.training import Training as Training
