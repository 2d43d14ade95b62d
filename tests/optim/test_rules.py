"""The contract of every update rule. The rules are found by themselves; a new one needs a twin."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR

from handloom import optim
from handloom.nn.layer import Parameter
from handloom.optim import Cosine, Optimizer, StepDecay, WeightDecay
from tests.optim import svd_muon

Params = dict[str, Parameter]
TorchRule = Callable[..., torch.optim.Optimizer]


def subclasses(cls: type) -> Iterator[type]:
    for child in cls.__subclasses__():
        yield child
        yield from subclasses(child)


for module in pkgutil.iter_modules(optim.__path__):
    importlib.import_module(f"{optim.__name__}.{module.name}")
RULES = [rule for rule in subclasses(Optimizer) if rule.__module__.startswith(optim.__name__)]


class Twin(NamedTuple):
    settings: dict[str, Any]  # ours, besides params, lr and weight_decay
    torch_rule: TorchRule
    torch_settings: dict[str, Any]
    others_lr_scale: float = 1.0  # of what is no matrix


def same(torch_rule: TorchRule, **settings: Any) -> Twin:
    return Twin(settings, torch_rule, settings)


TWINS: dict[type[Optimizer], list[Twin]] = {
    optim.SGD: [same(torch.optim.SGD)],
    optim.Momentum: [
        same(torch.optim.SGD, momentum=0.5),
        Twin({}, torch.optim.SGD, {"momentum": 0.9}),
    ],
    optim.Nesterov: [
        Twin({}, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        Twin({"momentum": 0.3}, torch.optim.SGD, {"momentum": 0.3, "nesterov": True}),
    ],
    optim.RMSprop: [
        same(torch.optim.RMSprop),
        same(torch.optim.RMSprop, alpha=0.9, eps=1e-3),
    ],
    optim.Adam: [
        same(torch.optim.Adam),
        same(torch.optim.Adam, betas=(0.5, 0.7), eps=1e-3),
    ],
    optim.AdamW: [
        same(torch.optim.AdamW),
        same(torch.optim.AdamW, betas=(0.8, 0.9), eps=1e-4),
    ],
    optim.Muon: [
        Twin({}, svd_muon.Muon, {}, 0.1),
        Twin(
            {
                "momentum": 0.5,
                "nesterov": False,
                "rounds": 3,
                "others": "nesterov",
                "others_lr_scale": 0.5,
            },
            svd_muon.Muon,
            {"momentum": 0.5, "nesterov": False, "rounds": 3, "adamw": False, "scale": 0.5},
            0.5,
        ),
    ],
}
CASES = [
    pytest.param(rule, twin, id=f"{rule.__name__}{twin.settings or ''}")
    for rule, twins in TWINS.items()
    for twin in twins
]
STEPS = 10
SCHEDULE = StepDecay(0.03, every=4, factor=0.5)


def parameters(rng: np.random.Generator, dtype: type = np.float64) -> Params:
    return {
        "0.weight": Parameter(rng.standard_normal((5, 7)).astype(dtype)),
        "0.bias": Parameter(rng.standard_normal(5).astype(dtype), decay=False),
        "1.kernel": Parameter(rng.standard_normal((9, 2, 2, 1)).astype(dtype)),
        "1.scale": Parameter(np.array(rng.standard_normal()).astype(dtype)),
    }


def gradients(rng: np.random.Generator, params: Params) -> list[dict[str, np.ndarray]]:
    return [
        {
            name: rng.standard_normal(param.shape).astype(param.value.dtype)
            for name, param in params.items()
        }
        for _ in range(STEPS)
    ]


def walk(optimizer: Optimizer, grads: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    for of_step in grads:
        for name, param in optimizer.params.items():
            param.grad = np.array(of_step[name])
        optimizer.step()
    return {name: param.value.copy() for name, param in optimizer.params.items()}


def torch_walk(
    values: dict[str, np.ndarray],
    grads: list[dict[str, np.ndarray]],
    build: Callable[[list[torch.Tensor], list[torch.Tensor]], torch.optim.Optimizer],
    before_step: Callable[[torch.Tensor, float], None] = lambda tensor, lr: None,
) -> dict[str, np.ndarray]:
    """The same walk by torch; `build` receives the tensors that decay by default and the others."""
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}
    biases = [tensors["0.bias"]]
    optimizer = build([tensors[name] for name in tensors if name != "0.bias"], biases)
    scheduler = LambdaLR(optimizer, lambda step: SCHEDULE(step) / SCHEDULE(0))
    for of_step in grads:
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(of_step[name])
            with torch.no_grad():
                before_step(tensor, scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def assert_equal(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], rtol=1e-10, atol=0, err_msg=name)


def test_every_rule_has_a_twin_and_a_name() -> None:
    assert len(RULES) >= 6
    assert set(RULES) == set(TWINS) == set(optim.OPTIMIZERS.values())


@pytest.mark.parametrize(("rule", "twin"), CASES)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_ten_steps_equal_torch(
    rule: type[Optimizer], twin: Twin, decay: float, rng: np.random.Generator
) -> None:
    params = parameters(rng)
    before = {name: param.value.copy() for name, param in params.items()}
    grads = gradients(rng, params)

    def build(weights: list[torch.Tensor], biases: list[torch.Tensor]) -> torch.optim.Optimizer:
        groups = [
            {"params": weights, "weight_decay": decay},
            {"params": biases, "weight_decay": 0.0},
        ]
        return twin.torch_rule(groups, lr=SCHEDULE(0), **twin.torch_settings)

    ours = walk(rule(params, SCHEDULE, weight_decay=decay, **twin.settings), grads)
    assert_equal(ours, torch_walk(before, grads, build))
    assert all(np.any(ours[name] != before[name]) for name in ours)


@pytest.mark.parametrize(("rule", "twin"), CASES)
def test_decoupled_decay_shrinks_beside_the_rule(
    rule: type[Optimizer], twin: Twin, rng: np.random.Generator
) -> None:
    params = parameters(rng)
    before = {name: param.value.copy() for name, param in params.items()}
    grads = gradients(rng, params)
    decay = WeightDecay(0.2, decoupled=True, biases_and_norms=True)

    def build(weights: list[torch.Tensor], biases: list[torch.Tensor]) -> torch.optim.Optimizer:
        settings = {**twin.torch_settings, "lr": SCHEDULE(0), "weight_decay": 0.0}
        return twin.torch_rule([*weights, *biases], **settings)

    def shrink(tensor: torch.Tensor, lr: float) -> None:
        tensor.mul_(1 - lr * 0.2 * (1.0 if tensor.ndim > 1 else twin.others_lr_scale))

    ours = walk(rule(params, SCHEDULE, weight_decay=decay, **twin.settings), grads)
    assert_equal(ours, torch_walk(before, grads, build, shrink))


@pytest.mark.parametrize("rule", RULES)
def test_updates_are_in_place_and_leave_the_gradient(
    rule: type[Optimizer], rng: np.random.Generator
) -> None:
    params = parameters(rng)
    optimizer = rule(params, 0.1, weight_decay=0.1)
    values = {name: param.value for name, param in params.items()}
    slots = {
        (name, slot): array
        for name, of_param in optimizer.slots.items()
        for slot, array in of_param.items()
    }
    (grads,) = gradients(rng, params)[:1]
    walk(optimizer, [grads])
    assert all(params[name].value is value for name, value in values.items())
    assert all(optimizer.slots[name][slot] is array for (name, slot), array in slots.items())
    assert all(np.array_equal(params[name].grad, grad) for name, grad in grads.items())


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("decoupled", [None, True])
def test_float32_stays_float32(
    rule: type[Optimizer], decoupled: bool | None, rng: np.random.Generator
) -> None:
    params = parameters(rng, np.float32)
    schedule = lambda step: np.float64(0.1)  # noqa: E731  a rate that would promote arrays
    optimizer = rule(params, schedule, weight_decay=WeightDecay(0.1, decoupled=decoupled))
    seen = []
    original = optimizer.update

    def update(param: Parameter, grad: np.ndarray, slots: optim.Slots, lr: float) -> None:
        seen.append((np.asarray(grad).dtype, type(lr)))
        original(param, grad, slots, lr)

    optimizer.update = update
    after = walk(optimizer, gradients(rng, params))
    assert {value.dtype for value in after.values()} == {np.dtype(np.float32)}
    assert set(seen) == {(np.dtype(np.float32), float)}
    arrays = [array for slots in optimizer.slots.values() for array in slots.values()]
    assert all(array.dtype == np.float32 for array in arrays)


@pytest.mark.parametrize("rule", RULES)
def test_same_start_same_bits(rule: type[Optimizer]) -> None:
    def run() -> dict[str, np.ndarray]:
        rng = np.random.default_rng(7)
        params = parameters(rng, np.float32)
        return walk(rule(params, SCHEDULE, weight_decay=0.01), gradients(rng, params))

    first, second = run(), run()
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)


@pytest.mark.parametrize("rule", RULES)
def test_a_restored_optimizer_goes_on_with_the_same_bits(
    rule: type[Optimizer], rng: np.random.Generator
) -> None:
    params = parameters(rng, np.float32)
    grads = gradients(rng, params)
    straight = rule(params, SCHEDULE, weight_decay=0.01)
    walk(straight, grads[:5])
    straight.lr_scale = 0.25
    state = straight.state_dict()
    copies = {
        name: Parameter(param.value.copy(), decay=param.decay) for name, param in params.items()
    }
    expected = walk(straight, grads[5:])

    resumed = rule(copies, SCHEDULE, weight_decay=0.01)
    resumed.load_state_dict(state)
    assert (resumed.steps, resumed.lr_scale) == (5, 0.25)
    found = walk(resumed, grads[5:])
    assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)
    ours, theirs = resumed.state_dict(), straight.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in ours)


class Landscape(NamedTuple):
    gradient: Callable[[np.ndarray], np.ndarray]
    start: tuple[float, float]
    optimum: tuple[float, float]
    steps: int


def parabola_gradient(w: np.ndarray) -> np.ndarray:
    return np.array([1.0, 10.0]) * (w - np.array([1.0, -2.0]))


def rosenbrock_gradient(w: np.ndarray) -> np.ndarray:
    x, y = w
    return np.array([-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)])


LANDSCAPES = {
    "parabola": Landscape(parabola_gradient, (3.0, 3.0), (1.0, -2.0), 1_000),
    "rosenbrock": Landscape(rosenbrock_gradient, (-1.0, 1.0), (1.0, 1.0), 8_000),
}
PLAIN_LR = {"parabola": 0.1, "rosenbrock": 1e-3}
NORMALISED_LR = {"parabola": 0.1, "rosenbrock": 0.02}
LR = {
    **dict.fromkeys((optim.SGD, optim.Momentum, optim.Nesterov), PLAIN_LR),
    **dict.fromkeys((optim.RMSprop, optim.Adam, optim.AdamW), NORMALISED_LR),
    optim.Muon: {
        name: 10 * lr for name, lr in NORMALISED_LR.items()
    },  # of which a tenth is AdamW's
}
TOLERANCE = {"parabola": 1e-3, "rosenbrock": 1e-2}
"""Of the distance to the optimum."""
EXCEPTIONS: dict[tuple[type[Optimizer], str], dict[str, Any]] = {
    # without a velocity the bent valley takes longer
    (optim.SGD, "rosenbrock"): {"steps": 30_000},
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", LANDSCAPES)
def test_the_optimum_is_reached(rule: type[Optimizer], name: str) -> None:
    landscape = LANDSCAPES[name]._replace(**EXCEPTIONS.get((rule, name), {}))
    param = Parameter(np.array(landscape.start))
    schedule = Cosine(LR[rule][name], landscape.steps)
    optimizer = rule({"w": param}, schedule, weight_decay=0.0)
    for _ in range(landscape.steps):
        param.grad = landscape.gradient(param.value)
        optimizer.step()
    assert np.linalg.norm(param.value - np.array(landscape.optimum)) < TOLERANCE[name]
