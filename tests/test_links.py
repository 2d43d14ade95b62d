"""Nothing that is written into a folder of ours leaves it through a link that somebody planted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

import handloom as hl
from handloom._files import append, make_folder, open_own, read_file, remove, write_atomic
from handloom.diagnosis import Diagnosis, draw_diagnosis
from handloom.errors import HandloomError, RunError
from handloom.run import RunFolder, RunLock, session
from handloom.run.results import open_run
from handloom.studies.search.folder import StudyFolder, TrialRecord

PRECIOUS = b"what must not change\n" * 200


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, lasting_bars: Path) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run"
    return hl.train(
        lasting_bars, run_dir=path, overrides={"training.epochs": 2}, pictures=False
    ).path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of somebody else's, with every name that a run's folders could hold."""
    folder = tmp_path / "outside"
    folder.mkdir()
    names = (
        "precious", "best.safetensors", "last.safetensors", "epoch-001.safetensors", "curves.png",
        "diagnose-old.png", "events.out.tfevents.1.host", ".0123.part", "trial.json",
    )  # fmt: skip
    for name in names:
        (folder / name).write_bytes(PRECIOUS)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def resume(run: Path) -> None:
    (run / "result.json").unlink(missing_ok=True)
    rows = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    assert len(rows) == 2
    hl.resume(run, pictures=False)


def resume_from_the_start(run: Path) -> None:
    (run / "result.json").unlink(missing_ok=True)
    if not (run / "checkpoints").is_symlink():
        (run / "checkpoints" / "last.safetensors").unlink(missing_ok=True)
    hl.resume(run, pictures=False)


def draw(run: Path) -> None:
    opened = open_run(run)
    session.draw(opened, opened.parts())


def diagnose(run: Path) -> None:
    folder = open_run(run).folder
    draw_diagnosis(Diagnosis((), (), {}), folder.own(folder.figures))


COMMANDS: dict[str, Callable[[Path], object]] = {
    "resume": resume,
    "from the start": resume_from_the_start,
    "test": lambda run: open_run(run).test(),
    "diagnose": diagnose,
}
FILES = (
    ".lock", ".result.lock", "metrics.jsonl", "result.json", "data.json", "environment.json",
    "recipe.toml", "report.html", "checkpoints/best.safetensors", "checkpoints/last.safetensors",
)  # fmt: skip


@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symbolic", "hard"])
@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "diagnose"])
def test_no_command_writes_into_what_a_planted_link_leads_to(
    command: str, link: Callable[[Path, Path], None], run: Path, outside: Path
) -> None:
    """Each file of the run becomes a link to a copy of it, in turn and all at once."""
    for names in (*((name,) for name in FILES), FILES):
        own = Path(shutil.copytree(run, run.with_name("own")))
        targets = []
        for name in names:
            target = outside / name.replace("/", "-")
            target.write_bytes((own / name).read_bytes() if (own / name).exists() else PRECIOUS)
            (own / name).unlink(missing_ok=True)
            link(target, own / name)
            targets.append(target)
        before = content(outside)
        with suppress(HandloomError):  # a lock that is a link is refused, and said
            COMMANDS[command](own)
        assert content(outside) == before, f"{command} wrote through {names}"
        shutil.rmtree(own)
        for target in targets:
            target.unlink()


@pytest.mark.parametrize("command", [*COMMANDS, "show"])
@pytest.mark.parametrize("name", ["figures", "checkpoints", "tensorboard"])
def test_no_command_writes_into_a_folder_outside(
    command: str, name: str, run: Path, outside: Path
) -> None:
    if command == "show" and name != "figures":
        pytest.skip("draws for seconds, into figures alone")
    if (run / name).is_dir():
        for path in (run / name).iterdir():
            shutil.copy(path, outside)
    remove(run / name)
    (run / name).symlink_to(outside)
    before = content(outside)
    refusal = f"{name} is a link, and nothing is written through it; remove the link$"
    writes = command != "test" and (name == "figures" or command != "diagnose")
    with pytest.raises(RunError, match=refusal) if writes else nullcontext():
        (draw if command == "show" else COMMANDS[command])(run)
    assert content(outside) == before


def test_a_lock_that_is_a_link_is_refused_and_named(tmp_path: Path) -> None:
    for number, plant in enumerate((os.symlink, os.link, lambda _, path: os.mkfifo(path))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (target := folder / "target").write_bytes(PRECIOUS)
        plant(target, folder / ".lock")
        with pytest.raises(RunError, match=r"\.lock: it is (a|not a plain)"), RunLock(folder):
            pass
        assert target.read_bytes() == PRECIOUS


@pytest.mark.parametrize("name", ["trials", "trials/key", "trials/key/seed-1", "figures", "logs"])
def test_a_study_writes_nothing_through_its_folders(
    name: str, tmp_path: Path, outside: Path
) -> None:
    study = StudyFolder(tmp_path / "study")
    (study.path / name).parent.mkdir(parents=True)
    (study.path / name).symlink_to(outside)
    before = content(outside)

    def work() -> None:
        study.own(study.figures)
        study.own(study.logs)
        with study.claiming():
            study.trial("key").claim(TrialRecord(0, {}))
        make_folder(study.trial("key").run(1), within=study.path)

    with pytest.raises(RunError, match=f"{name} is a link"):
        work()
    assert content(outside) == before


def test_an_ensemble_writes_nothing_through_its_members(
    lasting_bars: Path, tmp_path: Path, outside: Path
) -> None:
    from handloom.recipes import load_recipe
    from handloom.series import Series
    from handloom.studies.ensemble import resume_ensemble
    from handloom.studies.ensemble.ensemble import write_plan

    folder = tmp_path / "together"
    folder.mkdir()
    write_plan(folder, Series(load_recipe(lasting_bars), (1, 2)))
    (folder / "seed-1").symlink_to(outside)
    before = content(outside)
    with pytest.raises(RunError, match="seed-1 is a link"):
        resume_ensemble(folder)
    assert content(outside) == before


def test_a_run_folder_that_the_user_names_may_be_a_link(lasting_bars: Path, tmp_path: Path) -> None:
    """Runs on another disk: the link is the user's own."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "runs").symlink_to(tmp_path / "disk")
    changes = {"training.epochs": 1}
    hl.train(lasting_bars, run_dir=tmp_path / "runs" / "a", overrides=changes, pictures=False)
    assert RunFolder(tmp_path / "disk" / "a").result.is_file()


def test_a_file_that_is_written_takes_the_place_of_a_link(tmp_path: Path) -> None:
    (target := tmp_path / "target").write_bytes(PRECIOUS)
    (path := tmp_path / "path").symlink_to(target)
    write_atomic(path, b"new")
    assert not path.is_symlink()
    assert (path.read_bytes(), target.read_bytes()) == (b"new", PRECIOUS)


def test_nothing_is_added_to_a_link_and_no_pipe_is_waited_for(tmp_path: Path) -> None:
    (target := tmp_path / "target").write_bytes(PRECIOUS)
    (tmp_path / "soft").symlink_to(target)
    (tmp_path / "hard").hardlink_to(target)
    os.mkfifo(tmp_path / "pipe")
    for name in ("soft", "hard", "pipe"):
        with pytest.raises(RunError, match="cannot write"):
            append(tmp_path / name, b"x")
    for path in (tmp_path / "pipe", tmp_path, Path(os.devnull)):
        with pytest.raises(OSError, match=r"not a file but a pipe or a device|Is a directory"):
            read_file(path)
    assert target.read_bytes() == PRECIOUS
    with pytest.raises(OSError, match="not a plain file"):
        open_own(tmp_path / "pipe", os.O_RDWR)


def test_removing_a_link_leaves_what_it_leads_to(tmp_path: Path, outside: Path) -> None:
    before = content(outside)
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(outside)
    remove(tmp_path / "link", tmp_path / "folder", tmp_path / "nothing")
    assert {path.name for path in tmp_path.iterdir()} == {"outside"}
    assert content(outside) == before
