"""Fashion-MNIST in PyTorch: an MLP beside deeper ones, dropout, batch norm, augmentation, a CNN."""

from __future__ import annotations

from handloom.studies.reproduce.checks import Beats
from handloom.studies.reproduce.claims import Claim
from handloom.studies.reproduce.experiment import Experiment, SeriesSubject

MLP, CNN = "MLP", "CNN"
RECIPES = {
    MLP: "fashion-mlp-torch",
    "deeper": "fashion-mlp-torch-deeper",
    "dropout": "fashion-mlp-torch-dropout",
    "batch norm": "fashion-mlp-torch-batch-norm",
    "augmented": "fashion-mlp-torch-augmented",
    CNN: "fashion-cnn-torch",
}

COMPARISON = Experiment(
    name="fashion-mlp-torch",
    title="Fashion-MNIST in PyTorch, 784-200-200-10 beside five variants",
    source="report 5, its comparison",
    subjects={
        label: SeriesSubject(recipe, seeds=(0,), quick={"training.epochs": 3, "data.sample": 0.2})
        for label, recipe in RECIPES.items()
    },
    figures=("test_accuracy", "best_epoch", "parameters"),
    claims=(Claim("a CNN beats the MLP", "", Beats(CNN, MLP)),),
)
