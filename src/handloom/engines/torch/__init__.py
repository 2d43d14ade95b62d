"""PyTorch as an engine; the only room that imports it."""

from handloom._optional import require

require("torch", extra="torch")  # says how to install it, where the imports below would fail

from handloom.engines.torch.engine import TorchEngine as TorchEngine  # noqa: E402
from handloom.engines.torch.losses import register_loss as register_loss  # noqa: E402
from handloom.engines.torch.modules import register as register  # noqa: E402
