"""What is timed: the networks, and the counts that the roofline rests on."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.workloads import INPUT_SHAPE, WORKLOADS, Workload, chosen
from handloom.errors import ConfigError


def named(name: str) -> Workload:
    (workload,) = chosen([name])
    return workload


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_every_network_classifies_pictures(workload: Workload) -> None:
    network = workload.network().eval()
    assert network.output_shape(INPUT_SHAPE) == (10,)
    assert network.forward(np.zeros((2, *INPUT_SHAPE), np.float32)).shape == (2, 10)


def test_weights_are_always_the_same() -> None:
    once, again = (named("W4").network().state_dict() for _ in range(2))
    assert all(np.array_equal(once[name], again[name]) for name in once)


def test_operations_of_an_mlp_counted_by_hand() -> None:
    first, second = 784 * 1000, 1000 * 10
    forward_and_weights, input_gradient = 2 * (first + second), second
    assert named("W1").operations() == 32 * 2 * (forward_and_weights + input_gradient)


def test_operations_of_a_convolution_count_its_places() -> None:
    conv1, conv2 = 6 * 25 * 24 * 24, 16 * 6 * 25 * 8 * 8
    dense = 256 * 128 + 128 * 64 + 64 * 10
    assert named("W6-lenet-1").operations() == 2 * (conv1 + conv2 + dense)
    assert named("W4").operations() == 32 * 2 * (2 * conv1 + 3 * (conv2 + dense))


def test_traffic_counts_the_optimizers_slots() -> None:
    num_parameters = 784 * 1000 + 1000 + 1000 * 10 + 10
    assert named("W1").traffic() == 4 * num_parameters * 5  # w read; w, v read and written
    assert named("W1").weight_bytes() == 4 * num_parameters * 2
    assert named("W6-mlp-1").traffic() == 4 * num_parameters
    plain = named("W2")
    assert plain.traffic() == 3 * plain.weight_bytes()


def test_a_name_may_stand_for_several() -> None:
    assert [workload.name for workload in chosen(["w6-mlp", "W1"])] == [
        "W1",
        "W6-mlp-1000",
        "W6-mlp-1",
    ]
    assert chosen([]) == list(WORKLOADS)
    with pytest.raises(ConfigError, match="W7"):
        chosen(["W7"])


def test_relu_in_place_of_leaky_relu_keeps_all_else() -> None:
    other = named("W1").with_relu()
    assert [spec["layer"] for spec in other.layers] == ["flatten", "linear", "relu", "linear"]
    assert named("W2").with_relu() == named("W2")
