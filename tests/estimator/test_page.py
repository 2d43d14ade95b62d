"""docs/estimator.md: its programs run and print what they promise, its table has all parameters."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from handloom.estimator import Classifier

PAGE = (Path(__file__).parents[2] / "docs/estimator.md").read_text(encoding="utf-8")


def test_the_programs_run(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for program in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(program, "docs/estimator.md", "exec"), names)
    wine, digits, same = capsys.readouterr().out.splitlines()
    assert float(wine) > 0.95
    accuracy, best_epoch = digits.split()
    assert float(accuracy) > 0.85
    assert 1 <= int(best_epoch) <= 10
    assert same == "True"


def test_every_parameter_stands_on_the_page_and_in_the_docstring() -> None:
    parameters = {*inspect.signature(Classifier).parameters}
    assert parameters <= set(re.findall(r"`(\w+)`", PAGE))
    docstring = inspect.getdoc(Classifier) or ""
    for name in parameters:
        assert re.search(rf"\b{name}\b", docstring), name


def test_the_message_is_what_it_says() -> None:
    (told,) = re.findall(r"`(Classifier: optimizer\.lr .*?)`", PAGE)
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        Classifier(lr=-1.0).fit([[0.0], [1.0]], [0, 1])
