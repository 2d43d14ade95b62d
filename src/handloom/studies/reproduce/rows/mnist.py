"""The whole of MNIST by hand: 784-1000-10 with its variants, and LeNet."""

from __future__ import annotations

from handloom.studies.reproduce.checks import Beats, IsQuicker, KeepsUp, Reaches
from handloom.studies.reproduce.claims import Claim
from handloom.studies.reproduce.experiment import Experiment, Published, SeriesSubject

MLP_1000, NO_L2, AUGMENTED, STOPPED = "784-1000-10", "no L2", "augmented", "early stopping"
RECIPES = {
    MLP_1000: "mnist-mlp-1000",
    NO_L2: "mnist-mlp-1000-no-l2",
    AUGMENTED: "mnist-mlp-1000-augmented",
    STOPPED: "mnist-mlp-1000-early-stopping",
}
LENET_6_16 = "LeNet"
SMALLER = {"data.sample": 0.5, "data.validation": 5000}
SEEDS = (0, 1, 2)  # one alone does not tell differences as small as these from chance

MLP = Experiment(
    name="mnist-mlp-1000",
    title="MNIST, 784-1000-10: what L2, augmentation and early stopping change",
    source="report 3, its table of final models",
    subjects={
        label: SeriesSubject(recipe, quick=SMALLER, quick_seeds=SEEDS)
        for label, recipe in RECIPES.items()
    },
    published=(
        Published(MLP_1000, "test_accuracy", 0.9806),
        Published(MLP_1000, "test_loss", 0.063),
        Published(MLP_1000, "seconds", 2105),
        Published(NO_L2, "test_accuracy", 0.9803),
        Published(AUGMENTED, "test_accuracy", 0.9826, most=0.9828),
    ),
    claims=(
        Claim(
            "the test accuracy is reached",
            "0.9806",
            Reaches(MLP_1000, 0.9806),
            at_full_length=True,
        ),
        Claim("L2 makes it better", "0.9806, 0.9803", Beats(MLP_1000, NO_L2)),
        Claim("augmentation makes it better", "0.9826, 0.9806", Beats(AUGMENTED, MLP_1000)),
        Claim("early stopping costs no accuracy", "", KeepsUp(STOPPED, MLP_1000)),
    ),
)

LENET = Experiment(
    name="mnist-lenet",
    title="MNIST, LeNet: whether convolutions beat a wide layer",
    source="report 3, its table of final models",
    subjects={
        label: SeriesSubject(recipe, quick=SMALLER, quick_seeds=SEEDS)
        for label, recipe in ((LENET_6_16, "mnist-lenet"), (MLP_1000, RECIPES[MLP_1000]))
    },
    published=(
        Published(LENET_6_16, "test_accuracy", 0.9836),
        Published(LENET_6_16, "test_loss", 0.052),
        Published(LENET_6_16, "seconds", 1007),
    ),
    claims=(
        Claim(
            "the test accuracy is reached",
            "0.9836",
            Reaches(LENET_6_16, 0.9836),
            at_full_length=True,
        ),
        Claim("LeNet beats the MLP", "0.9836, 0.9806", Beats(LENET_6_16, MLP_1000)),
        Claim(
            "LeNet trains in less time than the MLP",
            "1,007 s, 2,105 s",
            IsQuicker(LENET_6_16, MLP_1000),
        ),
    ),
)
