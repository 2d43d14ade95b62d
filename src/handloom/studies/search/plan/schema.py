"""What a study's TOML file may say."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from handloom.recipes.schema.recipe import Seed
from handloom.recipes.schema.table import Count, Positive, Table, Text, refuse, said
from handloom.studies.search.plan.domains import Domain, as_list
from handloom.studies.search.plan.space import MOST_POINTS, Space

Metric = Literal["val_accuracy", "val_loss"]

Seeds = Annotated[tuple[Seed, ...], Field(strict=False, min_length=1, max_length=1000)]


class SearchTable(Table):
    """How the space is gone through, and what makes one configuration better than another."""

    sampler: Literal["grid", "random", "tpe"] = "tpe"
    pruner: Literal["none", "median", "hyperband", "successive-halving"] = "none"
    maximise: Literal["val_accuracy"] | None = None
    minimise: Literal["val_loss"] | None = None
    seeds: Seeds = (0,)  # each configuration is trained with each of them
    seed: Seed = 0  # of the sampler

    @model_validator(mode="after")
    def _one_aim(self) -> SearchTable:
        if self.maximise is not None and self.minimise is not None:
            refuse("it can either maximise or minimise; remove one of them")
        if len(set(self.seeds)) < len(self.seeds):
            refuse(f"seeds has a seed twice: {list(self.seeds)}")
        return self

    @property
    def metric(self) -> Metric:
        """What is searched for the best of; validation accuracy unless told."""
        return self.minimise or "val_accuracy"


class Budget(Table):
    """When it is enough. `trials` counts configurations, not their seeds."""

    trials: Count | None = None
    minutes: Positive | None = None  # of one command; what was begun by then is finished
    parameters: Annotated[int, Field(ge=1, le=2**53), said("a whole number from 1 up")] | None = (
        None  # at most so many in a network; a larger one is not trained
    )


class StudyFile(Table):
    """The whole file."""

    told_as: ClassVar[str] = "a study"

    name: Text | None = None  # the file's own, unless told
    description: Annotated[str, said("text in quotes")] = ""
    recipe: Text  # a shipped recipe's name, or a file
    overrides: dict[str, Any] = Field(default_factory=dict)  # by key path; "" takes a key out
    space: Annotated[dict[str, Domain], Field(min_length=1)]
    search: SearchTable = SearchTable()
    budget: Budget = Budget()

    @model_validator(mode="after")
    def _tables_agree(self) -> StudyFile:
        for path, domain in self.space.items():
            self._check_dependence(path, domain)
        if self.search.sampler == "grid":
            self._check_grid()
        elif self.budget.trials is None and self.budget.minutes is None:
            refuse(
                f'search.sampler = "{self.search.sampler}" never ends on its own; '
                "give budget.trials, or budget.minutes"
            )
        return self

    def _check_dependence(self, path: str, domain: Domain) -> None:
        before = list(self.space)[: list(self.space).index(path)]
        for other, wanted in domain.when.items():
            if other not in before:
                refuse(f"space.{path} depends on {other}, which has to come before it in the space")
            for value in as_list(wanted):
                if not self.space[other].contains(value):
                    refuse(f"space.{path} depends on {other} = {value!r}, which never occurs")

    def _check_grid(self) -> None:
        for path, domain in self.space.items():
            if domain.values() is None:
                refuse(
                    f'search.sampler = "grid" tries all values, but those of space.{path} '
                    "are infinitely or too many; give them as a choice or with a step, or set "
                    'sampler = "tpe"'
                )
        if Space(self.space).points() is None:
            refuse(
                f'search.sampler = "grid" has more than {MOST_POINTS:,} points; '
                'give fewer values, or set sampler = "tpe"'
            )
