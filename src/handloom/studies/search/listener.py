"""Listener: who wants to know how a study goes. Every method is empty here."""

from __future__ import annotations

from handloom.series import Progress
from handloom.studies.search.study import Study, StudyTrial


class TrialListener:
    """Hears of a study under way; override what is of interest."""

    def on_start(self, study: Study, total: int | None) -> None:
        """It begins, or goes on; `total` is how many trials there will be, if that is known."""

    def on_begin(self, trial: StudyTrial) -> None:
        """A trial begins, or goes on."""

    def on_progress(self, progress: Progress) -> None:
        """An epoch of a trial has ended."""

    def on_end(self, trial: StudyTrial) -> None:
        """A trial has ended, one way or another."""

    def on_note(self, text: str) -> None:
        """Something that a person should read."""
