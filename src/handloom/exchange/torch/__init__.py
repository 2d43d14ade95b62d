"""PyTorch: the classifier as a readable Python file, for people who have no Handloom."""

from handloom.exchange.torch.code import Call as Call
from handloom.exchange.torch.layers import SPELLINGS as SPELLINGS
from handloom.exchange.torch.layers import Spell as Spell
from handloom.exchange.torch.layers import spells as spells
