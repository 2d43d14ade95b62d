"""Random networks, as tables of a recipe: whatever fits, in any order, at odd sizes."""

from __future__ import annotations

from random import Random

from torch_networks import Shape, Spec, layer, output_shape

SMOOTH = ("elu", "gelu", "silu", "sigmoid", "tanh")
CHANNELS = (1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 32)
FEATURES = (1, 2, 7, 16, 31, 32, 33, 64, 100, 130)


class Growing:
    """A network that gets one layer after another; those that do not fit are dropped."""

    def __init__(self, shape: Shape) -> None:
        self.layers: list[Spec] = []
        self.shape = shape

    def add(self, spec: Spec) -> bool:
        """Whether it fitted."""
        try:
            self.shape = output_shape(layer(spec, self.shape), self.shape)
        except (RuntimeError, ValueError):
            return False
        self.layers.append(spec)
        return True


def random_layers(random: Random, shape: Shape, classes: int, loss: str) -> list[Spec]:
    """A network from pictures of `shape` (C, H, W) to outputs that `loss` takes."""
    growing = Growing(shape)
    if random.random() < 0.7:
        if shape[1] * shape[2] > 300:  # less to compute from here on
            growing.add(_conv(random, growing.shape))
            growing.add(_pool(random))
        _grow_maps(random, growing, depth=1)
        if random.random() < 0.3:
            _grow_maps(random, growing, depth=1)
        growing.add({"layer": random.choice(["flatten", "flatten", "global-avg-pool"])})
    else:
        if random.random() < 0.1:
            growing.add({"layer": "dropout", "p": 0.2})
        growing.add({"layer": "flatten"})
        if random.random() < 0.2:
            growing.add({"layer": "layer-norm"})
    _grow_rows(random, growing)
    growing.add({"layer": "linear", "out_features": classes, "bias": random.random() < 0.9})
    if loss == "nll":
        growing.add({"layer": "log-softmax"})
    elif loss == "mse" and random.random() < 0.4:
        growing.add({"layer": random.choice(["softmax", "sigmoid", "tanh"])})
    return growing.layers


def _grow_maps(random: Random, growing: Growing, depth: int) -> None:
    for _ in range(random.randint(1, 4)):
        choice = random.random()
        if choice < 0.38:
            growing.add(_conv(random, growing.shape))
        elif choice < 0.50:
            growing.add(_pool(random))
        elif choice < 0.62:
            growing.add(_batch_norm(random))
        elif choice < 0.67:
            growing.add({"layer": "layer-norm"})
        elif choice < 0.70:
            growing.add({"layer": "dropout", "p": random.choice([0.0, 0.1, 0.5])})
        elif choice < 0.72:
            growing.add({"layer": "resize", "size": random.choice([[5, 5], [4, 7], [12, 12]])})
        elif choice < 0.82 or depth == 0:
            growing.add(_activation(random))
        elif choice < 0.92:
            growing.add(_residual(random, growing.shape))
        else:
            branches = [_branch(random) for _ in range(random.randint(1, 3))]
            growing.add({"layer": "parallel", "branches": branches})


def _grow_rows(random: Random, growing: Growing) -> None:
    for _ in range(random.choice([0, 1, 1, 2, 3])):
        width = random.choice(FEATURES)
        growing.add({"layer": "linear", "out_features": width, "bias": random.random() < 0.85})
        if random.random() < 0.3 and width > 1:
            growing.add(random.choice([_batch_norm(random), {"layer": "layer-norm"}]))
        if random.random() < 0.85:
            growing.add(_activation(random))
        if random.random() < 0.25:
            growing.add({"layer": "dropout", "p": random.choice([0.0, 0.2, 0.5])})
        if random.random() < 0.2:
            linear: Spec = {"layer": "linear", "out_features": width}
            growing.add({"layer": "residual", "body": [linear, _activation(random), dict(linear)]})
        if random.random() < 0.08:
            branches = [[{"layer": "linear", "out_features": 5}], [], [_activation(random)]]
            growing.add({"layer": "parallel", "branches": branches})


def _activation(random: Random) -> Spec:
    name = random.choice(["relu", "relu", "leaky-relu", *SMOOTH])
    spec: Spec = {"layer": name}
    if name == "leaky-relu":
        spec["negative_slope"] = random.choice([0.01, 0.2, 0.0, 1.0])
    elif name == "elu":
        spec["alpha"] = random.choice([1.0, 0.5, 2.0])
    elif name == "gelu":
        spec["approximate"] = random.choice(["none", "tanh"])
    return spec


def _conv(random: Random, shape: Shape) -> Spec:
    channels, height, width = shape
    largest = min(7, height, width)
    kernel = random.choice(
        [min(3, largest), random.randint(1, largest), random.randint(1, largest),
         [random.randint(1, min(7, height)), random.randint(1, min(7, width))]]
    )  # fmt: skip
    spec: Spec = {
        "layer": "conv2d", "out_channels": random.choice(CHANNELS), "kernel_size": kernel,
    }  # fmt: skip
    if random.random() < 0.3:
        spec["stride"] = random.choice([2, 3, [1, 2], [2, 1]])
    if random.random() < 0.35 and "stride" not in spec:
        spec["padding"] = "same"
    elif random.random() < 0.55:
        spec["padding"] = random.choice([1, 2, [0, 1], [1, 0], [2, 1], 3])
    if random.random() < 0.12:
        spec["dilation"] = random.choice([2, [1, 2], [2, 1]])
    divisors = [each for each in range(2, channels + 1) if channels % each == 0]
    if divisors and random.random() < 0.18:
        spec["groups"] = random.choice(divisors)
        spec["out_channels"] = spec["groups"] * random.randint(1, 3)
    if random.random() < 0.2:
        spec["bias"] = False
    return spec


def _pool(random: Random) -> Spec:
    name = random.choice(["max-pool", "max-pool", "avg-pool"])
    spec: Spec = {"layer": name, "kernel_size": random.choice([2, 2, 3, [2, 1], [1, 3], 4])}
    if random.random() < 0.4:
        spec["stride"] = random.choice([1, 2, 3, [2, 1]])
    if random.random() < 0.3:
        spec["padding"] = 1
    if random.random() < 0.3:
        spec["ceil_mode"] = True
    if name == "max-pool" and random.random() < 0.08:
        spec["dilation"] = 2
    if name == "avg-pool" and random.random() < 0.3:
        spec["count_include_pad"] = False
    return spec


def _batch_norm(random: Random) -> Spec:
    momentum = random.choice([0.1, 0.5, 0.01])
    return {"layer": "batch-norm", "eps": random.choice([1e-5, 1e-3]), "momentum": momentum}


def _residual(random: Random, shape: Shape) -> Spec:
    body = Growing(shape)
    for _ in range(random.randint(1, 2)):
        body.add(
            {
                "layer": "conv2d", "out_channels": random.choice([shape[0], shape[0], 4, 8, 16]),
                "kernel_size": random.choice([1, 3]), "padding": "same",
            }
        )  # fmt: skip
        if random.random() < 0.4:
            body.add(_batch_norm(random))
        if random.random() < 0.5:
            body.add(_activation(random))
    spec: Spec = {"layer": "residual", "body": body.layers}
    if body.shape != shape:
        widened: Spec = {"layer": "conv2d", "out_channels": body.shape[0], "kernel_size": 1}
        spec["shortcut"] = [widened] + ([_batch_norm(random)] if random.random() < 0.4 else [])
    return spec


def _branch(random: Random) -> list[Spec]:
    """Layers that keep the pictures' size."""
    choice = random.random()
    if choice < 0.2:
        return []
    if choice < 0.6:
        conv: Spec = {"layer": "conv2d", "out_channels": random.choice([1, 3, 8, 16])}
        conv |= {"kernel_size": random.choice([1, 3, 5]), "padding": "same"}
        return [conv, _activation(random)]
    kind = random.choice(["max-pool", "avg-pool"])
    return [{"layer": kind, "kernel_size": 3, "stride": 1, "padding": 1}, _batch_norm(random)]
