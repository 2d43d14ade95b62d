"""Every error that Handloom raises on purpose.

    HandloomError                 a user's mistake or the world's: one sentence, exit code 2
    ├── ConfigError (ValueError)  a value that cannot be: an optimizer's, a schedule's, a split's
    │   └── RecipeError           a recipe that cannot be: names the key path
    ├── ShapeError (ValueError)   arrays or layers that do not fit: names expected and got
    ├── LabelError (ValueError)   class ids out of range or of the wrong kind
    ├── StateError (RuntimeError) a call out of turn: backward without forward
    ├── DataError (ValueError)    a data file that cannot be read as what it claims to be
    │   └── DownloadError         a known data set that no mirror delivered
    ├── RunError (RuntimeError)   a run folder that is missing, in use, broken, or of another recipe
    │   ├── InUseError            a folder that another process is writing
    │   └── CheckpointError       a checkpoint that is damaged or of another network
    ├── MissingExtraError         an optional library that is not installed: names the pip command
    └── DivergenceError           a loss that is no longer finite: exit code 3

A message says what was wrong, where, and what to do about it. Anything else raised is a bug.
"""

from __future__ import annotations


class PictureWarning(UserWarning):
    """A picture that could not be drawn, of an answer that stands."""


class HandloomError(Exception):
    """What the caller can mend; the command line prints its message as one line."""

    exit_code = 2


class ConfigError(HandloomError, ValueError):
    """A setting outside its range or of the wrong kind."""


class RecipeError(ConfigError):
    """A recipe that names an unknown key, a wrong type or an impossible value."""


class ShapeError(HandloomError, ValueError):
    """Shapes that do not fit. `path` is the layer's attribute path within the network."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(f"layer {path}: {message}" if path else message)
        self.message = message
        self.path = path

    def within(self, name: str) -> ShapeError:
        """The same error seen from the container that calls the failing layer `name`."""
        return ShapeError(self.message, path=f"{name}.{self.path}" if self.path else name)


class LabelError(HandloomError, ValueError):
    """Labels that are not class ids in [0, number of classes)."""


class StateError(HandloomError, RuntimeError):
    """A call out of turn."""


class DataError(HandloomError, ValueError):
    """A data file or an array that is not what it should be."""


class DownloadError(DataError):
    """No mirror delivered the publisher's file."""


class RunError(HandloomError, RuntimeError):
    """A run folder that cannot be used as asked."""


class InUseError(RunError):
    """A folder that another process is writing."""


class CheckpointError(RunError):
    """A checkpoint that is damaged, or of another network, or of a newer format."""


class MissingExtraError(HandloomError, ImportError):
    """An optional library is not installed."""


class DivergenceError(HandloomError, ArithmeticError):
    """The loss is no longer a finite number."""

    exit_code = 3
