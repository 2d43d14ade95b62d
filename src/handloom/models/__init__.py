"""Networks: functions from plain sizes to a Layer."""

from handloom.models.densenet import densenet as densenet
from handloom.models.lenet import lenet as lenet
from handloom.models.mlp import mlp as mlp
from handloom.models.resnet import resnet as resnet
from handloom.models.resnet import resnet_cifar as resnet_cifar
from handloom.models.sequential import MAX_WEIGHTS as MAX_WEIGHTS
from handloom.models.sequential import LayerSpec as LayerSpec
from handloom.models.sequential import from_layers as from_layers
from handloom.models.summary import LayerLine as LayerLine
from handloom.models.summary import shortened as shortened
from handloom.models.summary import summarise as summarise
from handloom.models.vgg import vgg as vgg
from handloom.models.wide_resnet import wide_resnet as wide_resnet
