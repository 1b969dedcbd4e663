"""From a corpus to a bundle, a report and metrics: the whole of `genretagd train`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from genretagd.errors import UsageError
from genretagd.ml.bundle import TRAINABLE, Bundle, load_bundle, refuse_foreign, write_bundle
from genretagd.ml.training import card, draft, loop, measured, splits, state, verdict
from genretagd.ml.training.corpus import Corpus
from genretagd.ml.training.fingerprint import fingerprint
from genretagd.ml.training.listener import Listener
from genretagd.ml.training.listening import track_logits
from genretagd.ml.training.material import Pictures
from genretagd.ml.training.metrics import Outcomes, measure
from genretagd.ml.training.naming import check_names, place_for_bundle
from genretagd.ml.training.prepare import Ingredients, Prepared, prepare
from genretagd.ml.training.recipe import Recipe, learn
from genretagd.ml.training.report import Report, place_for_report, write_report

KEPT_TRUNK: Final = (
    "The trunk of another model was kept: figures are too good as far as that model learnt from these tracks."
)
THIRDS: Final = (
    f" These are thirds, since a genre has fewer than {measured.PARTS} artists; with --folds the model "
    "learns from all tracks."
)
OUT_OF_REACH: Final = (
    "--precision {wanted:g} is out of reach: even of the tracks that the model is surest of {reached:.0%} "
    "are right, so it will be wrong more often than was asked for. Give it more tracks or clearer genres, or "
    "tag with a higher --min-confidence."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to make, and how it is to be measured.

    Attributes
    ----------
    output : Path
        The bundle's directory.
    report : Path
        The report's directory.
    ingredients : Ingredients
        Where examples come from.
    recipe : Recipe
        How to learn.
    folds : int
        0 for one split into training, validation and test parts; from 2 on cross-validation over all tracks,
        after which the model is made from all of them.
    precision : float
        Share of right decisions, in [0, 1], that the threshold is chosen for.
    name, version : str
        Of the bundle.
    licence : str
        What the data's licence means for users of the model.
    base : Path, optional
        A ``model.keras`` whose trunk is kept.
    command : str
        The command line, for the record.
    """

    output: Path
    report: Path
    ingredients: Ingredients
    recipe: Recipe
    folds: int = 0
    precision: float = 0.85
    name: str = "model"
    version: str = "1"
    licence: str = ""
    base: Path | None = None
    command: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What came of it."""

    bundle: Bundle
    metrics: Mapping[str, Any]
    report: Path
    notes: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One model that was fitted: its bundle without calibration, and how it learnt."""

    bundle: Bundle
    history: list[dict[str, float]] = field(default_factory=list)


def train(corpus: Corpus, plan: Plan, listener: Listener) -> Result:
    """Train a model, measure it on artists it has not heard, and write bundle and report.

    State is kept beside the output, in ``<output>.work``, until all is done: a run that was killed goes on
    where it stood, to the same result.

    Raises
    ------
    CorpusError
        The corpus cannot be trained on, or a genre's name cannot be a label.
    MissingExtraError
        The training libraries are not installed.
    ModelError
        The base model or the bundle is not usable.
    UsageError
        Name or version is blank, another training is at work on the same output, or a file of another
        origin is where bundle, report or state shall be.
    GenretagdError
        The disk is full or fails.
    """
    further = (plan.ingredients.pool_genres or {}).values()
    check_names(corpus, further=further, name=plan.name, version=plan.version)
    plan = replace(plan, output=place_for_bundle(plan.output))
    work = plan.output.with_name(f"{plan.output.name}.work")
    refuse_foreign(plan.output)
    for taken in (plan.output, work):
        if plan.report.absolute().is_relative_to(taken.absolute()):
            raise UsageError(f"{plan.report}: lies in {taken}, name another folder for the report (--report)")
    with place_for_report(plan.report), state.alone(work):
        return _train(corpus, plan, work, listener)


def _train(corpus: Corpus, plan: Plan, work: Path, listener: Listener) -> Result:
    parts = min(plan.folds, measured.LEAST_PARTS) if plan.folds >= 2 else measured.LEAST_PARTS
    try:
        prepared = prepare(corpus, plan.ingredients, work=work, parts=parts, listener=listener)
        dealt = measured.deal(prepared, folds=plan.folds, seed=plan.recipe.seed)
    except BaseException:
        state.discard_if_empty(work)
        raise
    if plan.base is not None:
        prepared = replace(prepared, notes=(*prepared.notes, KEPT_TRUNK))
    for note in prepared.notes:
        listener.note(note)
    asked = fingerprint(prepared, plan.ingredients, recipe=plan.recipe, folds=plan.folds, base=plan.base)
    state.begin(work, asked, listener)
    measure_by = _cross_validated if plan.folds >= 2 else _split_once
    run, outcomes, tracks, runs, scope = measure_by(prepared, plan, work, listener, dealt)
    return _finish(
        run, outcomes, tracks, runs, scope, prepared=prepared, plan=plan, work=work, listener=listener
    )


def _split_once(
    prepared: Prepared,
    plan: Plan,
    work: Path,
    listener: Listener,
    dealt: measured.Dealt,
) -> tuple[Bundle, Outcomes, NDArray[np.int32], list[_Run], str]:
    """Learn from one part, stop and calibrate by another, measure on the third."""
    tracks, (split,) = dealt
    valid, test = tracks[split.valid], tracks[split.test]
    scope = (
        f"Split by artist: {len(split.train)} tracks to learn from, {len(valid)} to stop and calibrate by, "
        f"{len(test)} to measure on, looked at once at the end."
    )
    if measured.parts_of_split(prepared, tracks) == measured.LEAST_PARTS:
        scope += THIRDS
    listener.note(scope)
    run = _fit(prepared, plan, work / "split", split, tracks, listener=listener, shared=work, title="model")
    pictures = prepared.material.pictures
    logits = _logits(run.bundle, pictures, np.concatenate([valid, test]), work / "split", listener)
    truth = measured.truth(prepared)
    calibrating = measured.calibrating(prepared, valid)
    bundle = verdict.with_calibration(
        run.bundle,
        logits[: len(valid)][calibrating],
        truth[valid][calibrating],
        precision=plan.precision,
    )
    outcomes = verdict.outcomes(bundle, logits[len(valid) :], truth[test], groups=prepared.groups[test])
    return bundle, outcomes, test, [run], scope


def _cross_validated(
    prepared: Prepared,
    plan: Plan,
    work: Path,
    listener: Listener,
    dealt: measured.Dealt,
) -> tuple[Bundle, Outcomes, NDArray[np.int32], list[_Run], str]:
    """Measure on every track by a model that has not heard its artist; make the model from all tracks."""
    material = prepared.material
    tracks, folds = dealt
    runs: list[_Run] = []
    logits = np.zeros((len(tracks), material.outputs), np.float32)
    numbers = np.zeros(len(tracks), np.int32)
    for number, split in enumerate(folds):
        folder = work / f"fold-{number}"
        title = f"fold {number + 1} of {plan.folds}"
        run = _fit(prepared, plan, folder, split, tracks, listener=listener, shared=work, title=title)
        logits[split.test] = _logits(run.bundle, material.pictures, tracks[split.test], folder, listener)
        numbers[split.test] = number
        runs.append(run)
    everything = splits.Split(
        np.arange(len(tracks), dtype=np.int32), np.empty(0, np.int32), np.empty(0, np.int32)
    )
    final = _fit(
        prepared,
        plan,
        work / "final",
        everything,
        tracks,
        listener=listener,
        shared=work,
        title="final model",
    )
    truth = measured.truth(prepared)[tracks]
    calibrating = measured.calibrating(prepared, tracks)
    bundle = verdict.with_calibration(
        final.bundle, logits[calibrating], truth[calibrating], precision=plan.precision
    )
    outcomes = verdict.cross_fitted(
        final.bundle,
        logits,
        truth,
        groups=prepared.groups[tracks],
        folds=numbers,
        precision=plan.precision,
        calibrating=calibrating,
    )
    scope = (
        f"{plan.folds}-fold cross-validation split by artist: each of {len(tracks)} tracks was measured "
        "once, by a model, a calibration and a threshold made from the other folds; the model is from all."
    )
    return bundle, outcomes, tracks, runs, scope


def _fit(
    prepared: Prepared,
    plan: Plan,
    folder: Path,
    split: splits.Split,
    tracks: NDArray[np.int32],
    *,
    listener: Listener,
    shared: Path,
    title: str,
) -> _Run:
    """Fit one model and write it as a bundle; what is there already is taken, under today's names."""
    learnt, trained, written = folder / "history.json", folder / TRAINABLE, folder / "bundle"
    if learnt.exists():
        listener.note(f"{title}: learnt before, taken over")
    else:
        history = _learn(prepared, plan, folder, split, tracks, shared=shared, title=title, listener=listener)
        state.write_json(learnt, history)
    if not written.exists():
        draft.write(
            written,
            trained,
            name=plan.name,
            version=plan.version,
            prepared=prepared,
            ingredients=plan.ingredients,
            arch=plan.recipe.arch,
            title=title,
            listener=listener,
        )
    bundle = replace(
        load_bundle(written),
        name=plan.name,
        version=plan.version,
        labels=prepared.material.label_names,
        outside_labels=prepared.material.outside_names,
    )
    return _Run(bundle, json.loads(learnt.read_text()))


def _learn(
    prepared: Prepared,
    plan: Plan,
    folder: Path,
    split: splits.Split,
    tracks: NDArray[np.int32],
    *,
    shared: Path,
    title: str,
    listener: Listener,
) -> list[dict[str, float]]:
    """Make one network, keep it in `folder`, and return how it learnt."""
    stages: list[str] = []

    def report(stage: str, progress: loop.Progress) -> None:
        if stage not in stages:
            stages.append(stage)
            listener.stage(f"{title}: {stage}", progress.epochs - progress.epoch + 1)
        listener.step(progress.told(), seconds_left=progress.seconds_left)

    own = ~prepared.material.pooled[tracks]
    model, history = learn(
        prepared.material,
        train=tracks[split.train][own[split.train]],
        valid=tracks[split.valid][own[split.valid]],
        held_out=tracks[np.concatenate([split.valid, split.test])],
        recipe=plan.recipe,
        folder=folder,
        shared=shared,
        base=plan.base,
        report=report,
    )
    part = folder / f"part-{TRAINABLE}"
    model.save(part)
    part.replace(folder / TRAINABLE)
    return history


def _logits(
    bundle: Bundle, pictures: Pictures, tracks: NDArray[np.int32], folder: Path, listener: Listener
) -> NDArray[np.float32]:
    """Return each track's logits by the network file that is served, from all excerpts."""
    done = folder / "logits.npy"
    if done.exists():
        return np.asarray(np.load(done, allow_pickle=False))
    logits = track_logits(bundle, pictures, tracks, listener)
    with state.whole(done) as file:
        np.save(file, logits)
    return logits


def _finish(
    bundle: Bundle,
    outcomes: Outcomes,
    tracks: NDArray[np.int32],
    runs: Sequence[_Run],
    scope: str,
    *,
    prepared: Prepared,
    plan: Plan,
    work: Path,
    listener: Listener,
) -> Result:
    reached = bundle.thresholds.precision
    if reached is not None and reached < plan.precision:
        told = OUT_OF_REACH.format(wanted=plan.precision, reached=reached)
        listener.note(told)
        prepared = replace(prepared, notes=(*prepared.notes, told))
    listener.stage("measuring and writing the report", 0)
    outcomes = replace(outcomes, kinds=measured.kinds(prepared)[tracks])
    pool = prepared.material.pooled[tracks]
    counted = ~(pool & (outcomes.truth >= 0))
    metrics = measure(
        outcomes.part(counted), min_confidence=bundle.thresholds.min_confidence, seed=plan.recipe.seed
    )
    if (~counted).any():
        stated = outcomes.part(~counted)
        extra = measure(stated, min_confidence=bundle.thresholds.min_confidence, seed=plan.recipe.seed)
        metrics["pool"] = {
            key: extra[key] for key in ("accuracy", "macro_f1", "ece", "intervals", "decided", "tracks")
        }
    metrics["split"] = scope
    described = card.describe(
        prepared,
        command=plan.command,
        licence=plan.licence,
        scope=scope,
        recipe=asdict(plan.recipe),
        metrics=metrics,
    )
    files: dict[str, bytes | Path] = {name: bundle.read_file(name) for name in bundle.files}
    files["metrics.json"] = (json.dumps(metrics, indent=2, ensure_ascii=False) + "\n").encode()
    shown = np.flatnonzero(counted)
    page = write_report(
        Report(
            title=f"{plan.name} {plan.version}",
            metrics=metrics,
            outcomes=outcomes.part(counted),
            tracks=[prepared.names[track] for track in tracks[shown]],
            picture_of=lambda index: prepared.material.pictures.strip(int(tracks[shown[index]])),
            card=described,
            histories=[run.history for run in runs],
            notes=(scope, *prepared.notes),
        ),
        plan.report,
    )
    final = replace(
        bundle,
        metrics=card.brief(metrics),
        data=card.data(prepared, scope, plan.command),
        licence=plan.licence,
    )
    written = write_bundle(plan.output, final, files=files)
    state.discard(work)
    return Result(written, metrics, page, prepared.notes, prepared.problems)
