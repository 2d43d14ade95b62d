"""[torch]: where and how PyTorch computes, for the torch engine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from handloom.recipes.schema.table import Flag, Table, said

Device = Annotated[
    str,
    Field(pattern=r"^(auto|cpu|cuda(:\d{1,3})?|mps)$"),
    said('"auto", "cpu", "cuda", "cuda:1" and so on, or "mps"'),
]


class Torch(Table):
    """The torch engine's own settings; `auto` is a GPU where there is one."""

    device: Device = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 on CUDA alone
    compile: Flag = False  # hand the network to torch.compile
