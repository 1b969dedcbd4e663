"""What the commands of training share: corpora, recipes, and what is printed at the end."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from genretagd.errors import GenretagdError, MissingExtraError, ModelError, UsageError

if TYPE_CHECKING:
    from genretagd.ml.frontend import FrontEnd
    from genretagd.ml.training.corpus import Corpus, TaggedFile
    from genretagd.ml.training.listener import Listener
    from genretagd.ml.training.recipe import Recipe

File = TypeVar("File")

NEEDED = {
    "tensorflow": "tensorflow",
    "keras": "keras",
    "librosa": "librosa",
    "sklearn": "scikit-learn",
    "matplotlib": "matplotlib",
    "PIL": "pillow",
}


def require_training(modules: Sequence[str] = tuple(NEEDED)) -> None:
    """Make sure that the training libraries are there, and quiet.

    Raises
    ------
    MissingExtraError
        With the command that installs them.
    """
    missing = [NEEDED[module] for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise MissingExtraError(
            f"training: {', '.join(missing)} not installed, run `pip install 'genretagd[train]'`"
        )
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def found_corpus(
    dataset: Path | None,
    library: Path | None,
    listener: Listener,
    *,
    outside: Sequence[str] = (),
    min_tracks: int = 10,
    for_training: bool = True,
) -> Corpus:
    """Return the corpus that was named: a tree of genre folders, or a tagged library.

    Raises
    ------
    UsageError
        Not exactly one of the two was named.
    CorpusError
        It cannot be trained on.
    """
    from genretagd.ml.training.artists import read_artist
    from genretagd.ml.training.corpus import from_folders, from_library

    if (dataset is None) == (library is None):
        raise UsageError("name either a DATASET of genre folders or --from-library DIR")
    if library is not None:
        if not library.is_dir():
            raise UsageError(f"{library}: no such folder")
        files, unreadable = _tagged_files(library, listener)
        return from_library(library, files, unreadable=unreadable, outside=outside, min_tracks=min_tracks)
    assert dataset is not None
    corpus = from_folders(dataset, outside=outside, min_tracks=min_tracks, for_training=for_training)
    audio = [source for source in corpus.sources if source.kind == "audio"]
    artists = {source: read_artist(source.path) for source in _one_by_one(audio, listener)}
    sources = (dataclasses.replace(source, artist=artists.get(source, "")) for source in corpus.sources)
    return dataclasses.replace(corpus, sources=tuple(sources))


def recipe_of(given: Mapping[str, Any], settings: Sequence[str]) -> Recipe:
    """Return the recipe that options and ``NAME=VALUE`` settings ask for.

    Raises
    ------
    UsageError
        A setting is unknown or has a value of another kind.
    """
    from genretagd.ml.training.recipe import Recipe

    values = {name: value for name, value in given.items() if value is not None}
    known = {field.name: field for field in dataclasses.fields(Recipe)}
    for name, text in pairs("--set", settings).items():
        if name not in known:
            raise UsageError(f"--set {name}: no such setting, there are: {', '.join(sorted(known))}")
        values[name] = _typed(name, text, type(known[name].default))
    if values.get("arch") not in (None, "default", "seed"):
        raise UsageError(f"--arch {values['arch']}: no such network, there are: default, seed")
    return Recipe(**values)


def pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    """Return ``NAME=VALUE`` arguments as a mapping, in their order.

    Raises
    ------
    UsageError
        One has no ``=``.
    """
    found = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise UsageError(f"{option} {text}: must be NAME=VALUE")
        found[name] = value
    return found


def base_network(base: str | None, *, front_end: FrontEnd) -> Path | None:
    """Return the trainable network of a bundle whose trunk is to be kept.

    Parameters
    ----------
    base : str, optional
        The bundle.
    front_end : FrontEnd
        How the spectrograms are made that it is to hear.

    Raises
    ------
    ModelError
        There is no such bundle, it holds no trainable network or not the one it was written with, or it
        hears other spectrograms.
    """
    if base is None:
        return None
    from genretagd.ml.bundle import TRAINABLE, load_bundle

    bundle = load_bundle(base)
    path = (bundle.directory or Path()) / TRAINABLE
    if TRAINABLE not in bundle.files:
        raise ModelError(f"{path}: this bundle has no network to go on training from, train without --base")
    if bundle.front_end != front_end:
        theirs, ours = (dataclasses.asdict(each) for each in (bundle.front_end, front_end))
        other = ", ".join(f"{name} {theirs[name]}" for name in ours if theirs[name] != ours[name])
        raise ModelError(f"{path}: hears spectrograms of another front end ({other}), train without --base")
    bundle.read_file(TRAINABLE)
    return path


def refuse_unheard(recipe: Recipe, *, pools: Sequence[Path], teachers: Sequence[Path]) -> None:
    """Refuse what a network of the first kind does not learn from: it hears labelled tracks alone.

    Raises
    ------
    UsageError
        A pool, a teacher, or what is fitted to a pool's genres is asked for with it.
    """
    unheard = {"--pool": pools, "--teacher": teachers, "--set refit_share": recipe.refit_share}
    asked = [option for option, value in unheard.items() if value]
    if recipe.arch == "seed" and asked:
        raise UsageError(
            f"--arch seed: learns from labelled tracks alone, leave out {' and '.join(asked)} or choose "
            "--arch default"
        )


def spectrogram_cache(given: Path | None) -> Path:
    """Return the folder where spectrograms are kept between runs."""
    if given is not None:
        return given
    import platformdirs

    from genretagd.cli.common import users_own

    return users_own(platformdirs.user_cache_dir, else_name="a directory with --cache") / "spectrograms"


def command_line() -> str:
    """Return the command as it was typed, as text."""
    from genretagd.ml.training.pictures import printable

    return printable(shlex.join(["genretagd", *sys.argv[1:]]))


def print_result(
    metrics: Mapping[str, Any],
    *,
    report: Path,
    problems: Sequence[str],
    as_json: bool,
    bundle: Path | None = None,
) -> None:
    """Print the figures that matter most, and where the others are."""
    for problem in problems:
        print(f"not used: {problem}", file=sys.stderr)
    try:
        Path.cwd()
    except FileNotFoundError:  # a bundle takes the place of a former one whole
        print(f"the directory that you are in was replaced, enter it anew: cd {bundle}", file=sys.stderr)
    if as_json:
        places = {"report": str(report)} | ({"bundle": str(bundle)} if bundle is not None else {})
        print(json.dumps({**metrics, **places}))
        return
    low, high = metrics["intervals"]["accuracy"]
    decided = metrics["decided"]
    print(f"accuracy           {metrics['accuracy']:.1%}  (95 % interval {low:.1%} to {high:.1%})")
    print(f"macro F1           {metrics['macro_f1']:.1%}")
    print(f"calibration error  {metrics['ece']:.3f}")
    right = f", {decided['precision']:.1%} of them right" if decided["share"] else ""
    print(f"decided            {decided['share']:.0%} of {metrics['tracks']} tracks{right}")
    if metrics["outside"]:
        outside = metrics["outside"]
        print(f"outside music      {outside['undecided']:.0%} of {outside['tracks']} tracks left alone")
        if len(outside["kinds"]) > 1:
            width = max(16, *map(len, outside["kinds"]))
            for name, kind in outside["kinds"].items():
                print(f"  {name:<{width}} {kind['undecided']:.0%} of {kind['tracks']}")
    if bundle is not None:
        print(f"model              {bundle}")
    print(f"report             {report}")


def _typed(name: str, text: str, kind: type) -> Any:
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        return kind(text)
    except (ValueError, KeyError) as exc:
        raise UsageError(f"--set {name}={text}: must be of type {kind.__name__}") from exc


def _one_by_one(files: Sequence[File], listener: Listener) -> Iterator[File]:
    """Go through files whose tags are read, which takes a while in a large library on a slow disk."""
    if files:
        listener.stage("reading tags", len(files))
    for file in files:
        yield file
        listener.step()


def _tagged_files(library: Path, listener: Listener) -> tuple[list[TaggedFile], list[str]]:
    """Read what the files of a library say, hidden ones aside; and tell what cannot be read."""
    from genretagd.ml.training.artists import read_artist
    from genretagd.ml.training.corpus import AUDIO_SUFFIXES, TaggedFile
    from genretagd.ml.training.pictures import printable
    from genretagd.tagging.store import FileTagStore

    store = FileTagStore()
    paths: list[Path] = []
    found: list[TaggedFile] = []
    unreadable: list[str] = []

    def unlisted(exc: OSError) -> None:
        unreadable.append(f"{printable(Path(exc.filename))}: cannot be listed ({exc.strerror})")

    for folder, inner, names in os.walk(library, onerror=unlisted):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        audible = (name for name in names if Path(name).suffix.lower() in AUDIO_SUFFIXES)
        paths += [Path(folder) / name for name in sorted(audible) if not name.startswith(".")]
    for path in _one_by_one(paths, listener):
        try:
            found.append(TaggedFile(path, store.read_genres(path).genres, read_artist(path)))
        except GenretagdError as exc:
            unreadable.append(str(exc))
    return found, unreadable
