"""The report of a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from handloom import views
from handloom.recipes import to_toml
from handloom.report.asked import asked_terms, file_stem, phrase
from handloom.report.blocks import (
    Block,
    Chart,
    Charts,
    Code,
    Fact,
    Facts,
    Page,
    Picture,
    Pictures,
    Section,
    Series,
    Table,
    Terms,
    Text,
)
from handloom.report.charts import epoch_chart, metric_series, points, summarise
from handloom.report.one_run import training_sections
from handloom.report.words import duration, number, percent
from handloom.run.pictures import png_of
from handloom.studies.search import Study, StudyTrial, short_names, written
from handloom.studies.search.importance import importance
from handloom.studies.search.pictures import shown_trials
from handloom.views import Trials, message_in, study_drawings

WORDS = {
    "parallel": (
        "All configurations at once",
        "Parallel coordinates: one line per trial through its parameters; darker is better.",
    ),
    "importance": (
        "Parameter importance",
        "Bars: the share of the variance that each parameter explains on its own.",
    ),
    "slices": (
        "Each parameter on its own",
        "One panel per parameter: the result of every trial against the parameter's value.",
    ),
    "heat-map": (
        "The two most important parameters",
        "A heat map over the two most important parameters: the best result in each cell.",
    ),
}
"""Caption and alternative text; what the page's own charts draw is not listed here."""
NAMES = {"val_accuracy": "validation accuracy", "val_loss": "validation loss"}


def study_page(study: Study, data_dir: Path | None = None) -> Page:
    """The page of a study, finished or not, with the sections of its best run."""
    trials = shown_trials(study)
    best = study.best
    sections = (
        Section("answer", "Results", "", tuple(_answer(study))),
        Section("asked", "Setup", "", tuple(_asked(study))),
        Section("trials", "All configurations", "", tuple(_table(study))),
        Section("search", "Search", "", tuple(_search(study, trials))),
        *(() if best is None else _of_the_best(best, data_dir)),
        Section("repeat", "Reproduce", "", tuple(_repeat(study))),
    )
    kept = tuple(section for section in sections if section.blocks)
    return Page("Report of a study", study.name, study.plan.description, kept)


# -- the answer ------------------------------------------------------------------------------------


def _answer(study: Study) -> Iterator[Block]:
    best = study.best
    if best is not None and best.value is not None:
        yield Facts(
            (Fact(f"best {NAMES[study.metric]}", _value(study, best), best.name),), main=True
        )
    states = Counter(trial.state for trial in study.trials)
    seconds = sum(trial.seconds for trial in study.trials)
    yield Facts(
        (
            Fact("configurations", str(len(study.trials)), _listed(states)),
            Fact("runs", str(sum(len(trial.runs) for trial in study.trials))),
            Fact("training", duration(seconds), "total of all runs"),
        )
    )
    yield Text(tuple(_sentences(study)))


def _sentences(study: Study) -> Iterator[str]:
    if not study.ranking:
        yield "No configuration is complete yet."
        return
    best, *others = study.ranking
    told = ", ".join(f"{path} = {written(value)}" for path, value in best.parameters.items())
    yield f"Of {len(study.ranking)} complete configurations, the best is {told}."
    if others:
        yield f"The runner-up is {others[0].name}, with {_value(study, others[0])}."
    seeds = len(study.plan.search.seeds)
    if seeds == 1:
        yield (
            "Each was trained with one seed, and the best of many is lucky as well as good: "
            "use handloom compare to test which differences are significant."
        )
    else:
        yield f"Values are means over {seeds} seeds, ± their standard deviation."


def _listed(states: Counter[str]) -> str:
    return ", ".join(f"{count} {state}" for state, count in states.most_common())


def _value(study: Study, trial: StudyTrial) -> str:
    return _with_spread(trial.mean(study.metric), trial.deviation(study.metric), study.metric)


def _with_spread(mean: float | None, spread: float | None, metric: str) -> str:
    write = percent if metric.endswith("accuracy") else number
    return "–" if mean is None else write(mean, spread)


# -- what was asked, and every trial ---------------------------------------------------------------


def _asked(study: Study) -> Iterator[Block]:
    plan = study.plan
    search, budget = plan.search, plan.budget.model_dump(exclude_none=True)
    aim = "the highest" if study.maximise else "the lowest"
    pairs = [
        (path, phrase(domain.model_dump(mode="json", exclude_none=True, exclude_defaults=True)))
        for path, domain in study.space.items()
    ]
    pairs += [
        ("Objective", f"{aim} {NAMES[study.metric]}"),
        ("Search", f"{search.sampler}, pruner {search.pruner}"),
        ("Seeds", ", ".join(map(str, search.seeds))),
        ("Budget", phrase(budget) if budget else "the whole space"),
    ]
    yield Terms(tuple(pairs))
    if begun := next((trial.runs[0] for trial in study.trials if trial.runs), None):
        yield Text(("The rest is the same in every configuration:",))
        paths = {path.partition("=")[0] for path in study.space}
        yield asked_terms(begun, differing=[*paths, *(("seed",) if len(search.seeds) > 1 else ())])


def _table(study: Study) -> Iterator[Block]:
    if not study.trials:
        return
    paths = list(study.space)
    names = short_names(paths)
    rank = {trial.key: place for place, trial in enumerate(study.ranking)}
    ordered = sorted(study.trials, key=lambda trial: rank.get(trial.key, len(rank)))
    headings = ("trial", *(names[path] for path in paths), "validation accuracy",
                "validation loss", "parameters", "seconds", "state")  # fmt: skip
    rows = tuple(_row(trial, paths) for trial in ordered)
    yield Table("Best first", headings, rows, best=0 if study.ranking else None)
    if told := tuple(f"Trial {trial.number}: {trial.why}" for trial in ordered if trial.why):
        yield Text(told)


def _row(trial: StudyTrial, paths: list[str]) -> tuple[str, ...]:
    learnt = trial.num_parameters
    return (
        str(trial.number),
        *(written(trial.parameters[path]) if path in trial.parameters else "–" for path in paths),
        *(_with_spread(trial.mean(m), trial.deviation(m), m) for m in NAMES),
        "–" if learnt is None else f"{learnt:,}",
        f"{trial.seconds:,.1f}",
        trial.state,
    )


# -- the search ------------------------------------------------------------------------------------


def _search(study: Study, trials: Trials) -> Iterator[Block]:
    charts = (_history(study, trials), _curves(study))
    if shown := tuple(chart for chart in charts if chart is not None):
        yield Charts(shown)
    if not study.ranking:
        return
    drawn, empty = [], []
    for name, draw in study_drawings(trials, importance(trials)):
        if name in WORDS and (picture := png_of(name, study.path, draw)):
            caption, alt = WORDS[name]
            if why := message_in(picture):
                empty.append(why)
            else:
                drawn.append(Picture(name, picture, alt, caption))
    if drawn:
        yield Pictures(tuple(drawn))
    if empty:
        yield Text(
            (
                "Some figures are omitted because the trials do not differ enough. "
                + " ".join(empty),
            ),
            True,
        )


def _unit(study: Study) -> str:
    return "percent" if study.metric.endswith("accuracy") else "number"


def _history(study: Study, trials: Trials) -> Chart | None:
    """The result of each trial, in order, and the best so far."""
    history = views.search_history(trials)
    each = points("trial", history.numbers, history.values, "train")
    if all(value is None for value in each.y):
        return None
    names = tuple(trial.name for trial in study.trials)
    best = points("best so far", history.numbers, history.best_so_far, "validation")
    series: tuple[Series, ...] = (each._replace(dots=True, labels=names),)
    if any(value is not None for value in best.y):
        series = (best, *series)
    unit = _unit(study)
    summary = summarise("Results in the order of the trials", series, unit)
    return Chart(
        "Results in the order of the trials",
        NAMES[study.metric],
        "trial",
        unit,
        series,
        summary,
        group="trials",
    )


def _curves(study: Study) -> Chart | None:
    """One line per run, the best trial's in front."""
    best = study.best
    trials = sorted(study.trials, key=lambda trial: trial is best)
    every = (
        metric_series(
            trial.name if len(trial.runs) == 1 else f"{trial.name}, seed {run.recipe.seed}",
            run.history.epochs,
            study.metric,
            "validation" if trial is best else "neutral",
        )
        for trial in trials
        for run in trial.runs
    )
    series = tuple(each for each in every if each is not None)
    if not series:
        return None
    name = NAMES[study.metric]
    return epoch_chart(
        "All runs by epoch", f"{name}; the best in front", _unit(study), series
    )._replace(group="runs")


# -- the best, and how to repeat it ----------------------------------------------------------------


def _of_the_best(best: StudyTrial, data_dir: Path | None) -> Iterator[Section]:
    run = best.runs[0]
    for section in training_sections(run, data_dir):
        lead = f"For the best configuration, {best.name}, seed {run.recipe.seed}. {section.lead}"
        yield section._replace(
            title=f"Best configuration: {section.title[:1].lower()}{section.title[1:]}",
            lead=lead.strip(),
        )


def _repeat(study: Study) -> Iterator[Block]:
    """The study and its recipe as files, and the commands that run both."""
    stem = file_stem(study.name)
    recipe = f"{stem}-base.toml"
    command = f"handloom tune {stem}.toml"
    yield Code(f"Save the two files below as {stem}.toml and {recipe}, then run", command)
    yield Code("The study", study.plan.to_toml(recipe), f"{stem}.toml", is_toml=True)
    yield Code("Its recipe", study.plan.recipe_toml(), recipe, is_toml=True, folded=True)
    if study.best is not None:
        text = to_toml(study.configuration(study.best).recipe)
        yield Code(
            "The best configuration, as a recipe for handloom train",
            text,
            f"{stem}-best.toml",
            is_toml=True,
            folded=True,
        )
