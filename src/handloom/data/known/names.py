"""The data sets known by name: what known.toml says of them, and whose file a hash belongs to.

A set is listed only if a sha256 of each of its files, and two addresses that deliver it, stand in
public sources; known.toml names the source beside each. EMNIST's ByClass, ByMerge and MNIST parts
are left out: they are the same images in other divisions.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache

from handloom.errors import ConfigError

EMBEDDED = "digits"
"""The set that comes with scikit-learn and needs no file of its own."""


@dataclass(frozen=True, slots=True)
class KnownFile:
    """One file of a publisher.

    name              as the publisher calls it, '….gz'
    num_bytes         its length
    sha256            of the .gz file, as hex
    mirrors           addresses of the file, best first; 'archive.zip#member' is one file of a zip
    unpacked_sha256   of the IDX bytes within, where a source gives it
    """

    name: str
    num_bytes: int
    sha256: str
    mirrors: tuple[str, ...]
    unpacked_sha256: str | None = None

    def spellings(self) -> tuple[str, ...]:
        """The names it is looked for under: packed before unpacked, with '-idx' or '.idx'."""
        dotted = self.name.replace("-idx", ".idx")
        return tuple(
            name + end for end in (".gz", "") for name in (_stem(self.name), _stem(dotted))
        )


@dataclass(frozen=True, slots=True)
class KnownSet:
    """A published data set.

    files         train images, train labels, test images, test labels
    class_names   one name a class, in the order of the ids
    first_label   the publisher's label of class 0
    transposed    whether the publisher stores each image column by column
    """

    name: str
    title: str
    description: str
    num_train: int
    num_test: int
    licence: str
    page: str
    class_names: tuple[str, ...]
    files: tuple[KnownFile, ...]
    first_label: int = 0
    transposed: bool = False


@cache
def known_sets() -> dict[str, KnownSet]:
    """Every known set by its name, in the order of known.toml."""
    from importlib.resources import files

    text = files("handloom.data.known").joinpath("known.toml").read_text(encoding="utf-8")
    return {name: _parse(name, table) for name, table in tomllib.loads(text).items()}


def known_set(name: str) -> KnownSet:
    """The set called `name`; raises ConfigError that lists the names and guesses one."""
    sets = known_sets()
    if name not in sets:
        names = [EMBEDDED, *sets]
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ConfigError(f"there is no known data set {name!r}; {hint}known: {', '.join(names)}")
    return sets[name]


def owner_of(sha256: str) -> str | None:
    """'MNIST's train-images-idx3-ubyte' for a known file's hash, packed or not; else None."""
    return _owners().get(sha256)


def owner_of_size(num_bytes: int) -> str | None:
    """The same for a known .gz file's length: no proof, but no two of them are equally long."""
    return next(
        (
            f"{known.title}'s {_stem(file.name)}"
            for known in known_sets().values()
            for file in known.files
            if file.num_bytes == num_bytes
        ),
        None,
    )


@cache
def _owners() -> dict[str, str]:
    owners: dict[str, str] = {}
    for known in known_sets().values():
        for file in known.files:
            for sha256 in filter(None, (file.sha256, file.unpacked_sha256)):
                owners[sha256] = f"{known.title}'s {_stem(file.name)}"
    return owners


def _parse(name: str, table: dict) -> KnownSet:
    mirrors = table.pop("mirrors")
    listed = tuple(
        KnownFile(
            name=file["name"],
            num_bytes=file["bytes"],
            sha256=file["sha256"],
            mirrors=tuple(mirror + file["name"] for mirror in mirrors),
            unpacked_sha256=file.get("unpacked_sha256"),
        )
        for file in table.pop("files")
    )
    return KnownSet(name=name, files=listed, class_names=tuple(table.pop("class_names")), **table)


def _stem(name: str) -> str:
    return name.removesuffix(".gz")
