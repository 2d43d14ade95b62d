"""A database in which several processes share a study: reached, and waited for when away."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from handloom._optional import require
from handloom.errors import ConfigError, MissingExtraError, RunError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from sqlalchemy.engine import URL

Result = TypeVar("Result")

GRACE_S = 120.0
"""A process that has not been heard of for so long counts as dead."""
TABLE_ATTEMPTS = 8
DRIVERS = ("psycopg2", "psycopg")
"""Of PostgreSQL, for Python."""
PATIENCE_S = 600.0
"""So long is a database waited for that was there before."""


@dataclass(frozen=True)
class Storage:
    """Where the database is, and what `Storage.open` needs to know besides."""

    url: str
    """postgresql://user:password@host/database, or another that SQLAlchemy takes."""
    grace: float = GRACE_S  # seconds

    @property
    def told(self) -> str:
        """The address without its password."""
        return self._address().render_as_string(hide_password=True)

    @property
    def beat(self) -> float:
        """Seconds between two signs of life."""
        return self.grace / 4

    def open(self) -> RDBStorage:
        """Connect, and make the tables where there are none; RunError, without the password."""
        sqlalchemy = require("sqlalchemy", extra="tune")
        race = (sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError)
        for attempt in count(1):  # while another process makes the same tables
            try:
                return self._connect()
            except sqlalchemy.exc.SQLAlchemyError as error:
                if attempt == TABLE_ATTEMPTS or not isinstance(error, race):
                    why = _first_line(error)
                    raise RunError(f"cannot use the storage {self.told}: {why}") from None
            time.sleep(0.2 * attempt)
        raise AssertionError("count has no end")

    def _connect(self) -> RDBStorage:
        storages = require("optuna", extra="tune").storages
        address = self._address()
        if address.drivername == "postgresql":  # whichever of its two drivers is here
            driver = next(filter(find_spec, DRIVERS), DRIVERS[0])
            address = address.set(drivername=f"postgresql+{driver}")
        try:
            with warnings.catch_warnings(action="ignore"):  # Optuna calls heartbeats experimental
                return storages.RDBStorage(
                    address.render_as_string(hide_password=False),
                    engine_kwargs={"pool_pre_ping": True},  # a server that came back is noticed
                    heartbeat_interval=max(1, round(self.beat)),
                    grace_period=max(1, round(self.grace)),
                )
        except ImportError:
            raise MissingExtraError(
                f"the driver for {address.get_backend_name()} is not installed; for PostgreSQL it "
                "comes with: pip install 'handloom[postgresql]'"
            ) from None

    def _address(self) -> URL:
        sqlalchemy = require("sqlalchemy", extra="tune")
        try:
            return sqlalchemy.engine.make_url(self.url)
        except sqlalchemy.exc.ArgumentError:
            raise ConfigError(
                "the storage is not the address of a database; write it like "
                "postgresql://user@host/database"
            ) from None


class Retries:
    """Repeats what a database could not do because it was away, as while it is restarted."""

    def __init__(self, storage: Storage, say: Callable[[str], None]) -> None:
        optuna = require("optuna", extra="tune")
        sqlalchemy = require("sqlalchemy", extra="tune")
        self._storage = storage
        self._say = say
        self._away = (optuna.exceptions.StorageInternalError, sqlalchemy.exc.DBAPIError)
        self.trusted_from = 0.0
        """time.monotonic() from which a silent process is not excused by a silent database."""

    def __call__(self, call: Callable[[], Result]) -> Result:
        """What `call` returns, after a while if need be; RunError after PATIENCE_S seconds."""
        until, pause = time.monotonic() + PATIENCE_S, 0.2
        while True:
            try:
                return call()
            except self._away as error:
                why = _first_line(error.__cause__ or error)
            if time.monotonic() > until:
                raise RunError(f"the storage {self._storage.told} does not answer: {why}")
            if pause < 1:
                self._say(f"the storage {self._storage.told} does not answer; trying again")
            time.sleep(pause)
            pause = min(2 * pause, 5.0) if pause >= 1 else 1.0
            self.trusted_from = time.monotonic() + self._storage.grace


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
