"""Exchange: classifiers to other tools and back, in forms that can hold no program."""

from handloom.exchange.export import Exported as Exported
from handloom.exchange.export import Target as Target
from handloom.exchange.export import export as export
from handloom.exchange.imported import Imported as Imported
from handloom.exchange.imported import import_weights as import_weights
from handloom.exchange.load import load_weights as load_weights
from handloom.exchange.matching import Match as Match
from handloom.exchange.matching import Matching as Matching
from handloom.exchange.portable import PortableClassifier as PortableClassifier
