"""ONNX: the whole classifier as a file that onnxruntime and many other tools run."""

from handloom.exchange.onnx import layers as layers  # registers the writers of `nn`
from handloom.exchange.onnx.writers import WRITERS as WRITERS
from handloom.exchange.onnx.writers import Writer as Writer
from handloom.exchange.onnx.writers import writes as writes
