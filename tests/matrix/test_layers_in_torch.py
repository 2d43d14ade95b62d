"""Every layer is in PyTorch with every setting: as the engine's module, and as written code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matrix import CASES, Case, assert_same, examples, layers_of_nn, make, network, observe, train

from handloom import nn

torch = pytest.importorskip("torch")
every_case = pytest.mark.parametrize(("kind", "case"), CASES.values(), ids=CASES)


def test_every_layer_has_a_module_and_no_other() -> None:
    from handloom.engines.torch.modules import MAKERS

    assert {kind for kind in MAKERS if kind.__module__.startswith("handloom.")} <= layers_of_nn()
    assert all(MAKERS.form_of(kind) for kind in layers_of_nn())


@every_case
def test_the_torch_engine_trains_the_layer(kind: type[nn.Layer], case: Case) -> None:
    _, expected = train("numpy", network(kind, case))
    engine, found = train("torch", network(kind, case))
    assert_same(found, expected)
    assert engine.name == "torch"
    assert not engine.uncovered


@every_case
def test_written_code_computes_the_layer(kind: type[nn.Layer], case: Case) -> None:
    """In training as well, where there is no chance in it: who has the code may train further."""
    from handloom.exchange.torch.network import spell

    layer = make(kind, case.settings, np.random.default_rng(1))
    names: dict[str, Any] = {"torch": torch, "nn": torch.nn, "Tensor": torch.Tensor}
    spelled = spell(layer)
    for definition in spelled.definitions:
        exec(definition, names)
    module = eval(str(spelled.call), names).double()
    if kind is nn.Dropout:
        assert module.p == case.settings["p"]
        return
    state = {name: torch.tensor(array) for name, array in layer.state_dict().items()}
    module.load_state_dict(state)
    x = torch.from_numpy(examples(case.shape)).requires_grad_()
    y = module.train()(x)
    y.backward(torch.from_numpy(np.cos(np.arange(y.numel())).reshape(y.shape)))
    buffers = dict(module.named_buffers())
    found = [
        y.detach(), x.grad, *(dict(module.named_parameters())[name].grad
                              for name in layer.named_parameters()),
        *(buffers[name] for name in layer.named_buffers()), module.eval()(x).detach(),
    ]  # fmt: skip
    for theirs, ours in zip(found, observe(layer, examples(case.shape)), strict=True):
        np.testing.assert_allclose(theirs.numpy(), ours, rtol=1e-10, atol=1e-10)


def test_the_matrix_can_be_read() -> None:
    """`pytest tests/matrix -k matrix_can_be_read -s` prints what has which layer, and how."""
    pytest.importorskip("llvmlite")
    from handloom.engines.torch.modules import MAKERS
    from handloom.exchange.onnx import WRITERS
    from handloom.exchange.torch import SPELLINGS
    from handloom.loom.kernels.activation import EPILOGUES
    from handloom.loom.network.fuse import PIECES

    targets = {"torch": MAKERS, "code": SPELLINGS, "onnx": WRITERS, "loom": PIECES}
    row = "{:<16}" * (2 + len(targets))
    print("\n" + row.format("layer", "recipe", *targets))
    for kind in sorted(layers_of_nn(), key=lambda kind: kind.__name__):
        names = sorted({case.recipe for of, case in CASES.values() if of is kind and case.recipe})
        found = [
            "own" if kind in registry else "by name" if registry.form_of(kind) else "-"
            for registry in targets.values()
        ]
        found[-1] = "epilogue" if kind in EPILOGUES else found[-1]
        print(row.format(kind.__name__, ", ".join(names) or "-", *found))
        assert "-" not in found[:3], "only the loom may leave a layer to NumPy"
