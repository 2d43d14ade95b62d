"""The textbook: every layer derived by hand, forward and backward, in plain NumPy."""

from handloom.nn.activation import ELU as ELU
from handloom.nn.activation import GELU as GELU
from handloom.nn.activation import LeakyReLU as LeakyReLU
from handloom.nn.activation import ReLU as ReLU
from handloom.nn.activation import Sigmoid as Sigmoid
from handloom.nn.activation import SiLU as SiLU
from handloom.nn.activation import Tanh as Tanh
from handloom.nn.containers import Parallel as Parallel
from handloom.nn.containers import Residual as Residual
from handloom.nn.containers import Sequential as Sequential
from handloom.nn.conv import Conv2d as Conv2d
from handloom.nn.dropout import Dropout as Dropout
from handloom.nn.flatten import Flatten as Flatten
from handloom.nn.gradcheck import GradientReport as GradientReport
from handloom.nn.gradcheck import GradientRow as GradientRow
from handloom.nn.gradcheck import gradcheck as gradcheck
from handloom.nn.gradcheck_network import LayerCheck as LayerCheck
from handloom.nn.gradcheck_network import NetworkReport as NetworkReport
from handloom.nn.gradcheck_network import gradcheck_network as gradcheck_network
from handloom.nn.init import INITS as INITS
from handloom.nn.init import Init as Init
from handloom.nn.init import fans as fans
from handloom.nn.init import he_normal as he_normal
from handloom.nn.init import he_uniform as he_uniform
from handloom.nn.init import lecun_normal as lecun_normal
from handloom.nn.init import normal as normal
from handloom.nn.init import xavier_normal as xavier_normal
from handloom.nn.init import xavier_uniform as xavier_uniform
from handloom.nn.init import zeros as zeros
from handloom.nn.layer import NO_GRADIENT as NO_GRADIENT
from handloom.nn.layer import Layer as Layer
from handloom.nn.layer import Parameter as Parameter
from handloom.nn.linear import Linear as Linear
from handloom.nn.losses import cross_entropy as cross_entropy
from handloom.nn.losses import mse as mse
from handloom.nn.losses import nll as nll
from handloom.nn.norm import BatchNorm1d as BatchNorm1d
from handloom.nn.norm import BatchNorm2d as BatchNorm2d
from handloom.nn.norm import LayerNorm as LayerNorm
from handloom.nn.pool import AvgPool2d as AvgPool2d
from handloom.nn.pool import GlobalAvgPool2d as GlobalAvgPool2d
from handloom.nn.pool import MaxPool2d as MaxPool2d
from handloom.nn.resize import Resize as Resize
from handloom.nn.softmax import LogSoftmax as LogSoftmax
from handloom.nn.softmax import Softmax as Softmax
from handloom.nn.softmax import log_softmax as log_softmax
from handloom.nn.softmax import softmax as softmax
from handloom.nn.trace import Passage as Passage
from handloom.nn.trace import trace as trace

LAYERS: dict[str, type[Layer]] = {
    "max-pool": MaxPool2d,
    "avg-pool": AvgPool2d,
    "global-avg-pool": GlobalAvgPool2d,
    "resize": Resize,
    "leaky-relu": LeakyReLU,
    "elu": ELU,
    "gelu": GELU,
    "flatten": Flatten,
    "relu": ReLU,
    "silu": SiLU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "softmax": Softmax,
    "log-softmax": LogSoftmax,
}
"""What a recipe calls the layers that need not know the shape that arrives."""
