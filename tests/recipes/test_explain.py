from __future__ import annotations

from typing import Any

import pytest

from handloom.errors import RecipeError
from handloom.recipes import load_recipe
from handloom.recipes.load import make_recipe

CONV = {"layer": "conv2d", "out_channels": 4, "kernel_size": 3}


def sentence(overrides: dict[str, Any] | list[str], recipe: str = "digits") -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, overrides)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    assert "pydantic" not in message
    return message


@pytest.mark.parametrize(
    ("override", "told"),
    [
        # a value out of range, or of another type
        ("optimizer.lr=-1", "optimizer.lr is -1; it has to be a number above 0"),
        ("optimizer.lr=0,05", 'optimizer.lr is "0,05"; it has to be a number above 0'),
        ("optimizer.lr=nan", "optimizer.lr is nan; it has to be a number above 0"),
        ("optimizer.lr=true", "optimizer.lr is true; it has to be a number above 0"),
        ("optimizer.momentum=1.0", "it has to be a number from 0 up, below 1"),
        ("training.epochs=0", "training.epochs is 0; it has to be a whole number from 1"),
        ("training.epochs=2.5", "training.epochs is 2.5; it has to be a whole number"),
        ("training.epochs=0x" + "f" * 5000, "training.epochs is a huge number; it has to be"),
        ("seed=-1", "seed is -1; it has to be a whole number from 0 up"),
        ("data.validation=1.5", "data.validation is 1.5; it has to be a fraction above 0 and"),
        ("data.validation=0", "data.validation is 0; it has to be a fraction above 0 and"),
        ("augment.rotate=200", "augment.rotate is 200; it has to be degrees from 0 to 180"),
        ("augment.scale=a\nb", 'augment.scale is "a\\nb"; it has to be'),
        ("model.hidden=128", "model.hidden is 128; it has to be a list"),
        ("model.hidden=[64, 1_000_000_000]", "model.hidden.1 is 1000000000; it has to be a whole"),
        ("model=mlp", 'model is "mlp"; it has to be a table; did you mean model.name = "mlp"?'),
        ("training=[1, 2]", "training is [1, 2]; it has to be a table"),
        ("optimizer.per_layer_decay={'1' = -1}", "optimizer.per_layer_decay.1 is -1; it has to"),
        ("training.checkpoints=none", 'training.checkpoints is "none"; it has to be "all", '),
        # a name that is none of those known
        ("optimizer.name=adma", 'optimizer.name is "adma"; it has to be one of sgd, momentum,'),
        ("optimizer.name=adma", 'did you mean "adam"?'),
        ("optimizer.name=3", "optimizer.name is 3; it has to be one of sgd, momentum,"),
        ("model.activation=rleu", "one of relu, leaky-relu, elu, gelu, silu, sigmoid, tanh; did"),
        ("model.init=he", 'model.init is "he"; it has to be one of he-normal, he-uniform,'),
        ("engine=cuda", 'engine is "cuda"; it has to be one of auto, numpy, loom, torch'),
        ("torch.device=gpu", 'torch.device is "gpu"; it has to be "auto", "cpu", "cuda", "cuda:1"'),
        ("torch.precision=half", 'torch.precision is "half"; it has to be one of auto, float32'),
        # keys
        ("compile=true", "compile is unknown; did you mean torch.compile?"),
        (
            "optimizer.learning=1",
            "optimizer.learning is unknown; optimizer has the keys lr, weight_decay",
        ),
        ("trainig.epochs=3", "trainig is unknown; did you mean training?"),
        ("training.epoch=3", "training.epoch is unknown; did you mean training.epochs?"),
        ("batch_size=3", "batch_size is unknown; did you mean training.batch_size?"),
        ("training.lr=3", "training.lr is unknown; did you mean optimizer.lr?"),
        ("optimizer.lr=", "optimizer.lr is missing"),
        ("model.name=", "model.name is missing; it has to be one of mlp, lenet, resnet, "),
        ("model.name=sequential", "model.layers is missing"),
        ("model.layers=[]", 'model.layers is only for model.name = "sequential"'),
        # keys that do not go together
        ("loss.name=nll", 'loss.name is "nll", which needs a network that ends in log-softmax'),
        ("data.labels=a.csv", "data: images and labels go together; one of them is missing"),
        (
            "data.name=",
            "data: exactly one source of images is needed, but none is given; give name, or",
        ),
        ("augment.copies=2", 'augment: copies is only for mode = "append"'),
        (
            "training.sizes=[{until=0.5, size=4}, {until=0.5, size=5}]",
            "training: sizes have to be in order: each until has to be above the one",
        ),
        (
            "training.sizes=[{until=2, size=4}]",
            "training.sizes.0.until is 2; it has to be a number",
        ),
        ("augment.mix=0.5", "augment: mix is only for mixup or cutmix above 0"),
        ("augment.mixup=-1", "augment.mixup is -1; it has to be a number from 0 to 100"),
        ("augment.erase_min=11", "augment: erase_min 11 is above erase_max 10"),
    ],
)
def test_a_bad_value_is_told_with_its_key_path(override: str, told: str) -> None:
    message = sentence([override])
    assert message.startswith("recipe digits: ")
    assert told in message


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["data.idx=a", "data.folder=b"], "idx and folder are given"),
        (["data.images=a", "data.labels=b", "data.test_images=c"], "test_images and test_labels"),
        (
            ["schedule.name=multi-step", "schedule.milestones=[4, 2]"],
            "milestones have to increase, go",
        ),
        (["optimizer.name=adamw", "optimizer.decoupled=false"], 'set name = "adam"'),
        (["optimizer.name=adam", "optimizer.betas=[0.9]"], "optimizer.betas.1 is missing"),
        (["model.name=resnet", "model.depth=50"], "model.depth is 50; it has to be 18 or 34"),
        (["model.name=resnet-cifar", "model.depth=21"], r"is 21; it has to be 6n \+ 2, such as 20"),
        (["model.name=resnet-cifar", "model.depth=2"], r"is 2; it has to be 6n \+ 2, such as 20"),
        (["model.name=wide-resnet", "model.depth=20"], r"is 20; it has to be 6n \+ 4, such as"),
        (["model.name=vgg", "model.channels=[8]"], "^.*model: convolutions has 3 numbers and chan"),
        (["seed=-1", "training.epochs=0", "optimizer.lr=0"], "seed is -1; .*and 2 more problems"),
    ],
)
def test_values_that_do_not_go_together_are_told(overrides: list[str], told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        load_recipe("digits", overrides)


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ([], "model.layers has 0 entries; it has to have at least 1"),
        ([CONV] * 1001, "model.layers has 1001 entries; it has to have at most 1000"),
        (["relu"], 'model.layers.0 is "relu"; it has to be a table'),
        ([{}], "model.layers.0.layer is missing"),
        ([CONV, {"layer": "conv"}], 'model.layers.1.layer is "conv"; it has to be one of linear,'),
        (
            [{**CONV, "kernal_size": 3}],
            "0.kernal_size is unknown; did you mean model.layers.0.ker",
        ),
        ([{**CONV, "kernel_size": [3, 3, 3]}], "from 1 up, or a pair of them"),
        ([{**CONV, "kernel_size": 0}], "model.layers.0.kernel_size is 0; it has to be a whole"),
        ([{**CONV, "padding": "full"}], 'model.layers.0.padding is "full"; it has to be'),
        ([{"layer": "batch-norm", "init": "he"}], 'init is "he"; it has to be one of ones, zeros'),
        ([{"layer": "resize", "size": 0}], "model.layers.0.size is 0; it has to be a whole number"),
        ([{"layer": "dropout", "p": 1}], "model.layers.0.p is 1; it has to be a number from 0 up"),
        (
            [{"layer": "flatten", "p": 1}],
            "model.layers.0.p is unknown; model.layers.0 has the keys layer",
        ),
        (
            [{"layer": "residual", "body": [CONV, {"layer": "batch-norm", "eps": 0}]}],
            "model.layers.0.body.1.eps is 0; it has to be a number above 0",
        ),
        (
            [{"layer": "parallel", "branches": [[CONV], [{"layer": "dropout"}]]}],
            "model.layers.0.branches.1.0.p is missing",
        ),
    ],
)
def test_a_bad_layer_is_told_with_its_place(layers: list[Any], told: str) -> None:
    assert told in sentence({"model": {"name": "sequential", "layers": layers}})


def test_layers_nested_without_end_are_refused() -> None:
    layers: list[Any] = [CONV]
    for _ in range(300):
        layers = [{"layer": "residual", "body": layers}]
    sentence({"model": {"name": "sequential", "layers": layers}})


@pytest.mark.parametrize("depth", [3, 60, 400])
def test_lists_nested_without_end_are_shown_in_short(depth: int) -> None:
    nested: Any = 1
    for _ in range(depth):
        nested = [nested]
    told = sentence({"loss": {"name": nested}})
    assert f"loss.name is {'[' * min(depth, 50)}" in told
    assert len(told) < 300


def test_what_no_file_could_hold_is_refused() -> None:
    """A lone surrogate, as the JSON of an ensemble can have it."""
    whole = load_recipe("digits").model_dump(mode="json", exclude_none=True)
    for spoilt in ({"desc\ud800": 1}, {"training": {"\ud800": 1}}, {"loss": {"name": "\ud800"}}):
        with pytest.raises(RecipeError) as caught:
            make_recipe(whole | spoilt, "ensemble.json")
        assert str(caught.value).startswith("ensemble.json: ")
        assert "\\ud800" in str(caught.value)
        assert str(caught.value).isprintable()


def test_a_key_of_odd_characters_stays_on_one_line() -> None:
    assert "training.\\n" in sentence(['training."\\n"=1']).replace('"', "")


@pytest.mark.parametrize("key", ["lr", "momentum", "weight_decay"])
def test_a_kind_that_is_called_like_one_of_its_keys_is_no_part_of_the_path(key: str) -> None:
    told = sentence({f"optimizer.{key}": "fast"}, recipe="mnist-mlp-1000")  # whose rule is momentum
    assert f'optimizer.{key} is "fast"; it has to be a number' in told
