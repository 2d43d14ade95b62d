"""Every layer is in every target, with every setting: the recipe, the loom, ONNX."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from matrix import (
    CASES,
    LAYERS,
    NO_NAME,
    Case,
    D,
    assert_same,
    examples,
    layers_of_nn,
    make,
    network,
    observe,
    settings_of,
    train,
)

from handloom import models, nn
from handloom._registry import Registry
from handloom._typing import FloatArray
from handloom.recipes.schema.layers import LayerTable

every_case = pytest.mark.parametrize(("kind", "case"), CASES.values(), ids=CASES)

NOT_COMPILED = {
    "Conv2d-0": "dilated and grouped kernels are not compiled",
    "MaxPool2d-0": "dilated windows are not compiled",
    "Resize-0": "pictures are resized once a training, or a step's smallest part",
    "LayerNorm-0": "few image classifiers have it",
    "LayerNorm-1": "few image classifiers have it",
    "Softmax-0": "the loss has it inside",
    "LogSoftmax-0": "the loss has it inside",
}
"""Cases that the loom leaves to NumPy inside its step, and why."""


def test_every_layer_is_in_the_matrix() -> None:
    assert layers_of_nn() == set(LAYERS)


@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
def test_every_setting_is_in_the_matrix(kind: type[nn.Layer]) -> None:
    tried = {name for case in LAYERS[kind] for name in case.settings}
    assert tried == set(settings_of(kind))


@every_case
def test_every_setting_can_be_seen(kind: type[nn.Layer], case: Case) -> None:
    """Back at its default, it makes another layer: a target that drops it is found out."""

    def seen(settings: dict[str, Any]) -> list[FloatArray]:
        return [*observe(make(kind, settings, np.random.default_rng(1)), examples(case.shape))]

    all_set = seen(case.settings)
    optional = [
        name
        for name, parameter in settings_of(kind).items()
        if name in case.settings and parameter.default is not parameter.empty
    ]
    for name in optional:
        without = seen({key: value for key, value in case.settings.items() if key != name})
        same = len(without) == len(all_set) and all(
            one.shape == other.shape and np.allclose(one, other, rtol=0, atol=1e-4)
            for one, other in zip(without, all_set, strict=False)
        )
        assert not same, name


# -- recipes --------------------------------------------------------------------------------------


def test_every_layer_has_a_name_in_recipes() -> None:
    tables = get_args(get_args(LayerTable)[0])
    names = {name for each in tables for name in get_args(each.model_fields["layer"].annotation)}
    tried = {case.recipe for kind, cases in LAYERS.items() for case in cases if kind not in NO_NAME}
    assert tried == names


@pytest.mark.parametrize(
    ("kind", "case"), [pair for pair in CASES.values() if pair[0] not in NO_NAME],
    ids=[name for name, (kind, _) in CASES.items() if kind not in NO_NAME],
)  # fmt: skip
def test_a_recipe_s_layer_is_the_layer(kind: type[nn.Layer], case: Case) -> None:
    told = {name: value for name, value in case.settings.items() if name not in case.inferred}
    ours = make(kind, case.settings, np.random.default_rng(1))
    shape = ours.output_shape(case.shape)
    tail = [{"layer": "flatten"}] if len(shape) == 3 else []
    spec = {"layer": case.recipe, **told}
    made = models.from_layers(
        [spec, *tail, {"layer": "linear", "out_features": 3}], case.shape, 3,
        rng=np.random.default_rng(2), dtype=D,
    ).layers[0]  # fmt: skip
    assert type(made) is kind
    made.load_state_dict(ours.state_dict())
    if isinstance(ours, nn.Dropout) and isinstance(made, nn.Dropout):
        made.key = ours.key
    x = examples(case.shape)
    for found, expected in zip(observe(made, x), observe(ours, x), strict=True):
        np.testing.assert_array_equal(found, expected)


# -- the loom -------------------------------------------------------------------------------------


@every_case
def test_the_loom_trains_the_layer(
    kind: type[nn.Layer], case: Case, request: pytest.FixtureRequest
) -> None:
    machine = pytest.importorskip("handloom.loom.language.machine")
    if why := machine.unsupported():
        pytest.skip(why)
    _, expected = train("numpy", network(kind, case))
    engine, found = train("loom", network(kind, case))
    assert_same(found, expected)
    name = request.node.callspec.id
    assert bool(engine.uncovered) == (name in NOT_COMPILED), engine.uncovered


# -- ONNX -----------------------------------------------------------------------------------------


@every_case
def test_onnx_computes_the_layer(kind: type[nn.Layer], case: Case) -> None:
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    from handloom.exchange.onnx.graph import Graph, Scope
    from handloom.exchange.onnx.model import OPSET
    from handloom.exchange.onnx.writers import Value

    layer = make(kind, case.settings, np.random.default_rng(1)).astype(np.float32).eval()
    x = examples(case.shape).astype(np.float32)
    graph, number = Graph(), onnx.TensorProto.FLOAT
    y = Scope(graph, "layer").layer(layer, Value("x", case.shape))
    helper = onnx.helper
    graph.nodes.append(helper.make_node("Identity", [y.name], ["y"]))
    inputs = [helper.make_tensor_value_info("x", number, ("N", *case.shape))]
    outputs = [helper.make_tensor_value_info("y", number, ("N", *y.shape))]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "alone", inputs, outputs, graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9,
    )  # fmt: skip
    found = onnxruntime.InferenceSession(model.SerializeToString()).run(["y"], {"x": x})[0]
    np.testing.assert_allclose(found, layer.forward(x), rtol=1e-5, atol=2e-6)


def test_every_layer_has_a_writer_and_no_other() -> None:
    pytest.importorskip("onnx")
    from handloom.exchange.onnx import WRITERS
    from handloom.exchange.torch import SPELLINGS

    registry: Registry[Any]
    for registry in (WRITERS, SPELLINGS):
        assert set(registry) <= layers_of_nn()
        assert all(registry.form_of(kind) for kind in layers_of_nn())
