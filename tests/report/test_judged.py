from __future__ import annotations

import numpy as np
from sklearn.metrics import confusion_matrix

from handloom.report.blocks import Matrix, Table, Text
from handloom.report.judged import class_blocks, matrix
from handloom.run.results import Run
from handloom.views import confusion


def test_the_matrix_is_scikit_learns(run: Run) -> None:
    block, table = class_blocks(run, None)
    assert isinstance(block, Matrix)
    assert isinstance(table, Table)
    test = run.parts().test
    assert test is not None
    expected = confusion_matrix(test.labels, run.predict(test.images), labels=[0, 1, 2])
    assert [[cell.pictures for cell in row] for row in block.rows] == expected.tolist()
    assert [row[-1] for row in table.rows] == [str(n) for n in expected.sum(axis=1)]


def test_a_report_is_no_look_at_the_test_part(run: Run) -> None:
    before = run.folder.result.read_bytes()
    class_blocks(run, None)
    assert run.folder.result.read_bytes() == before


def test_only_mistakes_are_hot_the_commonest_most() -> None:
    labels = np.repeat([0, 1, 2], 100)
    said = labels.copy()
    said[:40], said[100:110] = 1, 2
    block = matrix(confusion(labels, said, ("a", "b", "c"), "test"))
    assert [[cell.heat for cell in row] for row in block.rows] == [[0, 9, 0], [0, 0, 3], [0, 0, 0]]
    assert block.rows[0][1].told == "40 images of a predicted as b (40%)"
    assert block.rows[1][2].share == "10%"
    assert block.rows[2][2].told == "100 images of c classified correctly (100%)"


def test_without_a_mistake_nothing_is_hot() -> None:
    labels = np.array([0, 1])
    block = matrix(confusion(labels, labels, ("a", "b"), "test"))
    assert {cell.heat for row in block.rows for cell in row} == {0}


def test_without_its_data_a_run_says_why(run: Run, monkeypatch) -> None:
    def gone(self, data_dir=None):
        raise DataGone("the images are not here")

    from handloom.errors import DataError as DataGone

    monkeypatch.setattr(Run, "parts", gone)
    text, drawn = class_blocks(run, None)
    assert isinstance(text, Text)
    assert "the images are not here" in text.paragraphs[0]
    assert [picture.name for picture in drawn.pictures] == ["confusion"]
