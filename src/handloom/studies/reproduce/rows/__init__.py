"""The five publications, an experiment a row of the table, in the order of the table."""

from handloom.studies.reproduce.experiment import Experiment
from handloom.studies.reproduce.rows.contest import CONTEST
from handloom.studies.reproduce.rows.fashion import DEEP_MLP, GRID, GRID_WINNER
from handloom.studies.reproduce.rows.fashion_torch import COMPARISON
from handloom.studies.reproduce.rows.mnist import LENET, MLP
from handloom.studies.reproduce.rows.mnist_sample import ACTIVATIONS, GAMMA, OPTIMIZERS, SAMPLE_GRID

EXPERIMENTS: dict[str, Experiment] = {
    row.name: row
    for row in (
        DEEP_MLP,
        GRID,
        GRID_WINNER,
        ACTIVATIONS,
        OPTIMIZERS,
        SAMPLE_GRID,
        GAMMA,
        MLP,
        LENET,
        CONTEST,
        COMPARISON,
    )
}
