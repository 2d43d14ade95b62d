"""Train a shipped recipe from Python, then look at the test pictures that it gets wrong."""

from __future__ import annotations

import numpy as np

import handloom as hl

run = hl.train("digits", overrides={"training.epochs": 10})
tested = run.test()
print(f"{run.path}: test accuracy {tested.accuracy:.4f}, loss {tested.loss:.4f}")

wrong = np.flatnonzero(tested.predicted != tested.labels)
surest_first = wrong[np.argsort(-tested.probabilities[wrong].max(axis=1))]
for picture in surest_first[:5]:
    true, taken_for = tested.labels[picture], tested.predicted[picture]
    print(
        f"picture {picture}: a {run.class_names[true]}, taken for a {run.class_names[taken_for]} "
        f"with probability {tested.probabilities[picture, taken_for]:.2f}, "
        f"the truth had {tested.probabilities[picture, true]:.2f}"
    )
print(f"drawn in {run.folder.figures / 'worst-mistakes.png'}")
