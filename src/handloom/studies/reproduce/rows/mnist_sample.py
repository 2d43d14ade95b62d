"""MNIST by hand, on a tenth of it: activations, optimizers, a grid of 27, the decay of the rate.

The published accuracies have four digits, which a sample's 1,000 validation images cannot give:
they are taken for those of the 10,000 test images.
"""

from __future__ import annotations

from handloom.studies.reproduce.checks import Beats, Descends, IsBest, Reaches
from handloom.studies.reproduce.claims import Claim
from handloom.studies.reproduce.experiment import Experiment, Published, StudySubject

ACTIVATIONS = Experiment(
    name="mnist-activations",
    title="A tenth of MNIST, 784-1000-10: which activation wins",
    source="report 3, its comparison of activations",
    subjects=StudySubject("mnist-activations"),
    published=(
        Published("sigmoid", "test_accuracy", 0.9124),
        Published("relu", "test_accuracy", 0.9427),
        Published("leaky-relu", "test_accuracy", 0.9423),
    ),
    claims=(
        Claim("ReLU is better than Sigmoid", "0.9427, 0.9124", Beats("relu", "sigmoid")),
        Claim("LeakyReLU is better than Sigmoid", "0.9423, 0.9124", Beats("leaky-relu", "sigmoid")),
        Claim("ReLU is better than LeakyReLU", "0.9427, 0.9423", Beats("relu", "leaky-relu")),
    ),
)

OPTIMIZERS = Experiment(
    name="mnist-optimizers",
    title="A tenth of MNIST, 784-1000-10: whether momentum helps",
    source="report 3, its comparison of optimizers",
    subjects=StudySubject("mnist-optimizers"),
    published=(
        Published("sgd", "test_accuracy", 0.9225),
        Published("momentum", "test_accuracy", 0.9423),
    ),
    claims=(
        Claim("momentum is better than plain SGD", "0.9423, 0.9225", Beats("momentum", "sgd")),
    ),
)

CHOSEN = "1000, lr 0.1, L2 0.001"

SAMPLE_GRID = Experiment(
    name="mnist-grid",
    title="A tenth of MNIST, three widths × three learning rates × three L2: the best of 27",
    source="report 3, its grid; the settings are those that it went on with",
    subjects=StudySubject("mnist-grid", quick={"training.epochs": 5}),
    published=(Published(CHOSEN, "test_accuracy", 0.9611),),
    claims=(
        Claim("1000 units, lr 0.1 and L2 1e-3 are the best of 27", "0.9611", IsBest(CHOSEN)),
        Claim(
            "the best one's accuracy is reached",
            "0.9611",
            Reaches(CHOSEN, 0.9611),
            at_full_length=True,
        ),
    ),
    figures=("validation_accuracy",),
    top=5,
)

GAMMAS = ("gamma 1", "gamma 0.5", "gamma 0.1", "gamma 0.05")

GAMMA = Experiment(
    name="mnist-gamma",
    title="A tenth of MNIST, 784-1000-10: what the rate's decay does, × gamma every 5 epochs",
    source="report 3, its comparison of StepLR",
    subjects=StudySubject("mnist-gamma"),
    published=tuple(
        Published(label, "test_accuracy", accuracy)
        for label, accuracy in zip(GAMMAS, (0.9688, 0.9674, 0.9668, 0.9649), strict=True)
    ),
    claims=(
        Claim(
            "the stronger the decay, the lower the accuracy",
            "0.9688, 0.9674, 0.9668, 0.9649",
            Descends(GAMMAS),
        ),
    ),
)
