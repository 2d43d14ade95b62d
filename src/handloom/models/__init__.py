"""Networks: functions from plain sizes to a Layer."""

from handloom.models.lenet import lenet as lenet
from handloom.models.mlp import mlp as mlp
from handloom.models.resnet import resnet as resnet
from handloom.models.resnet import resnet_cifar as resnet_cifar
from handloom.models.sequential import MAX_WEIGHTS as MAX_WEIGHTS
from handloom.models.sequential import LayerSpec as LayerSpec
from handloom.models.sequential import from_layers as from_layers
