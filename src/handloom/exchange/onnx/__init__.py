"""ONNX: the whole classifier as a file that onnxruntime and many other tools run."""

from handloom.exchange.onnx.layers import WRITERS as WRITERS
from handloom.exchange.onnx.layers import Writer as Writer
from handloom.exchange.onnx.layers import writes as writes
