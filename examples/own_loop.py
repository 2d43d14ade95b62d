"""A training loop of your own: layers, a loss and an optimizer, on the embedded digits."""

from __future__ import annotations

import numpy as np

import handloom as hl
from handloom import nn, optim

rng = np.random.default_rng(0)
digits = hl.data.load("digits")
normalise = hl.data.Normalisation.fit("standard", digits.train.images)
x, labels = normalise(digits.train.images), digits.train.labels

net = nn.Sequential(  # (1, 28, 28) -> (784,) -> (64,) -> (10,)
    nn.Flatten(),
    nn.Linear(784, 64, rng=rng),
    nn.ReLU(),
    nn.Linear(64, 10, rng=rng, init=nn.xavier_normal),
)
optimizer = optim.Momentum(net.named_parameters(), lr=0.01)

for epoch in range(1, 6):
    net.train()
    losses = []
    for batch in np.array_split(rng.permutation(len(x)), len(x) // 32):
        loss, dlogits = nn.cross_entropy(net.forward(x[batch]), labels[batch])
        net.zero_grad()
        net.backward(dlogits)
        optimizer.step()
        losses.append(loss)
    print(f"epoch {epoch}: mean loss {np.mean(losses):.4f}")

net.eval()
predicted = net.forward(normalise(digits.test.images)).argmax(axis=1)
print(f"test accuracy {np.mean(predicted == digits.test.labels):.4f}")
