"""What there is to learn from: a tree of genre folders, or a library with genres in its tags."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from genretagd.errors import CorpusError
from genretagd.ml.training.artists import NOBODY, artist_key
from genretagd.ml.training.genres import MEANINGLESS, first_genre, genre_key, spelled_alike
from genretagd.ml.training.pictures import may_be_spectrogram, printable

AUDIO_SUFFIXES: Final = frozenset(
    ".mp3 .mp2 .flac .m4a .mp4 .m4b .aac .alac .ogg .oga .opus .wav .wave .aif .aiff .aifc .wma .asf .ape "
    ".wv .mpc .mp+ .tta .dsf .dff .spx .caf .au .w64".split()
)
PICTURE_SUFFIX: Final = ".png"
PICTURES_FOLDER: Final = "spectrograms"
LEAST_ARTISTS: Final = 3
"""To learn from, to calibrate by and to measure on."""

Kind = Literal["audio", "picture"]


@dataclass(frozen=True, slots=True)
class Source:
    """One track to learn from, as found.

    Attributes
    ----------
    path : Path
        The audio file or picture.
    kind : {"audio", "picture"}
        Which of the two.
    genre : str
        Its folder's name, or the normalised genre of its tags; empty where none is known.
    track_id : str
        The file name without its suffixes.
    folder : str
        Where it lies within the genre folder, such as "Artist/Album", or "".
    artist : str
        The artist in its tags where known, or "".
    """

    path: Path
    kind: Kind
    genre: str
    track_id: str
    folder: str = ""
    artist: str = ""


@dataclass(frozen=True, slots=True)
class TaggedFile:
    """What a library knows about one of its files: the record `from_library` is given."""

    path: Path
    genres: tuple[str, ...]
    artist: str = ""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Tracks by genre.

    Attributes
    ----------
    root : Path
        Where the corpus was found.
    labels : tuple of str
        The genres to be told apart, sorted.
    outside : tuple of str
        Folders of music that is to be recognised as none of the labels.
    sources : tuple of Source
        Sorted by genre and path.
    left_out : tuple of str
        What was not taken and why, one message each.
    unreadable : tuple of str
        Files whose tags could not be read, and why.
    from_tags : bool
        Labels come from tags: one with too few usable tracks is left out, where a folder's is refused.
    """

    root: Path
    labels: tuple[str, ...]
    outside: tuple[str, ...]
    sources: tuple[Source, ...]
    left_out: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    from_tags: bool = False


def from_folders(
    root: Path, *, outside: Sequence[str] = (), min_tracks: int = 10, for_training: bool = True
) -> Corpus:
    """Find the tracks of a tree with one folder per genre.

    A corpus kept as ``DATASET/spectrograms/<genre>/`` is found from ``DATASET`` as well. Hidden
    files and folders are passed over, and so are covers: other pictures in a genre that has audio.

    Parameters
    ----------
    root : Path
        The folder of genre folders.
    outside : sequence of str
        Names of genre folders that hold music outside the labels.
    min_tracks : int
        A genre needs at least so many tracks to be learnt.
    for_training : bool
        False for evaluation: any number of genres and tracks will do.

    Raises
    ------
    CorpusError
        There is nothing that can be trained on; every problem is in the message.
    """
    if not root.is_dir():
        raise CorpusError(f"{printable(root)}: no such folder, name a folder with one sub-folder per genre")
    home = genre_home(root)
    above = (home.resolve(),)
    listed = [entry for entry in _entries(home) if entry.is_dir()]
    left_out = [_link_back(entry) for entry in listed if _leads_back(entry, above)]
    folders = [entry for entry in listed if not _leads_back(entry, above)]
    if not folders:
        raise CorpusError(f"{printable(home)}: no genre folders in it, put the tracks of each genre into one")
    problems = [_no_text(folder) for folder in folders if not _is_text(folder.name)]
    folders = [folder for folder in folders if _is_text(folder.name)]
    names = {_composed(folder.name) for folder in folders}
    outside = tuple(map(_composed, outside))
    problems += [
        f"{name}: no such genre folder in {printable(home)}, found: {', '.join(sorted(names))}"
        for name in outside
        if name not in names
    ]
    if for_training:
        problems += spelled_alike(folder.name for folder in folders)
    sources: list[Source] = []
    labels: list[str] = []
    for folder in folders:
        name = _composed(folder.name)
        found = _without_covers(_walk(folder, genre=name, left_out=left_out), folder, left_out)
        sources += found
        if not found:
            problems.append(f"{printable(folder)}: empty genre folder, add tracks to it or remove it")
        elif name not in outside:
            labels.append(name)
            if for_training and len(found) < min_tracks:
                problems.append(
                    f"{printable(folder)}: {counted(len(found), 'track')}, a genre needs at least "
                    f"{min_tracks} to be learnt and tested; add tracks, remove it, or lower --min-tracks"
                )
    if for_training and len(labels) < 2 and not problems:
        problems.append(
            f"{printable(home)}: {labels[0] if labels else 'no genre'} only, "
            "a model needs at least two genres to tell apart"
        )
    if problems:
        raise CorpusError("\n".join(problems))
    return Corpus(
        root, tuple(sorted(set(labels))), outside, tuple(_without_twins(sources, left_out)), tuple(left_out)
    )


def from_library(
    root: Path,
    files: Iterable[TaggedFile],
    *,
    unreadable: Sequence[str] = (),
    outside: Sequence[str] = (),
    min_tracks: int = 10,
) -> Corpus:
    """Take labels from the genres that a library's files carry, groups from their artists.

    Spellings that differ in case, spaces, hyphens and ``&`` are one genre, named by the most
    frequent spelling; of several genres the first counts. Genres with fewer than `min_tracks`
    tracks or of fewer than three artists are left out, with a list.

    Raises
    ------
    CorpusError
        Fewer than two genres remain, or no file is of a genre named as outside.
    """
    spellings: dict[str, Counter[str]] = {}
    taken: list[tuple[str, TaggedFile]] = []
    untagged = 0
    for file in sorted(files, key=lambda file: os.fsencode(file.path)):
        spelling = _composed(first_genre(file.genres))
        key = genre_key(spelling)
        if key in MEANINGLESS:
            untagged += 1
            continue
        spellings.setdefault(key, Counter())[spelling] += 1
        taken.append((key, file))
    names = {key: min(found, key=lambda s: (-found[s], s)) for key, found in spellings.items()}
    foreign = {genre_key(name): _composed(name) for name in outside}
    names |= {key: name for key, name in foreign.items() if key in names}
    counts = Counter(key for key, _ in taken)
    artists = {key: _artists(file for found, file in taken if found == key) for key in counts}
    kept = {
        key
        for key, count in counts.items()
        if key in foreign or (count >= min_tracks and artists[key] >= LEAST_ARTISTS)
    }
    left_out = []
    if untagged:
        left_out.append(f"{counted(untagged, 'file')} without a genre in the tags")
    left_out += [
        f"{names[key]}: {counted(count, 'track')}, fewer than --min-tracks {min_tracks}"
        if count < min_tracks
        else f"{names[key]}: {counted(count, 'track')} of {counted(artists[key], 'artist')} only, "
        f"{LEAST_ARTISTS} are needed"
        for key, count in sorted(counts.items())
        if key not in kept
    ]
    labels = sorted(names[key] for key in kept if key not in foreign)
    found = ", ".join(f"{names[key]} ({count})" for key, count in counts.most_common(12)) or "none"
    if unreadable:
        found += f" ({counted(len(unreadable), 'file')} could not be read, such as {unreadable[0]})"
    problems = [
        f"{name}: no file of this genre in {printable(root)}, genres found: {found}"
        for key, name in foreign.items()
        if key not in counts
    ]
    if len(labels) < 2:
        problems.append(
            f"{printable(root)}: {counted(len(labels), 'genre')} with at least {min_tracks} tracks, "
            f"two are needed; genres found: {found}; lower --min-tracks or tag more files"
        )
    if problems:
        raise CorpusError("\n".join(problems))
    sources = [
        Source(file.path, "audio", names[key], track_id_of(file.path), artist=file.artist)
        for key, file in taken
        if key in kept
    ]
    sources.sort(key=_order)
    return Corpus(
        root,
        tuple(labels),
        tuple(foreign.values()),
        tuple(sources),
        tuple(left_out),
        tuple(unreadable),
        from_tags=True,
    )


def from_pool(root: Path) -> tuple[Source, ...]:
    """Find the tracks of a pool: audio or pictures in any folders, with no genre of their own.

    Raises
    ------
    CorpusError
        There is none.
    """
    if not root.is_dir():
        raise CorpusError(
            f"{printable(root)}: no such folder, --pool needs a folder of audio or spectrograms"
        )
    left_out: list[str] = []
    home = root / PICTURES_FOLDER if (root / PICTURES_FOLDER).is_dir() else root
    walked = _without_covers(_walk(home, genre="", left_out=left_out), home, left_out)
    found = [replace(source, folder="") for source in walked]
    if not found:
        raise CorpusError(f"{printable(root)}: no audio and no spectrograms in this pool")
    return tuple(sorted(found, key=_order))


def _artists(files: Iterable[TaggedFile]) -> int:
    """Count artists; a file of nobody known counts as one of its own."""
    keys = [artist_key(file.artist) for file in files]
    return len(set(keys) - NOBODY) + sum(key in NOBODY for key in keys)


def genre_home(root: Path) -> Path:
    """Return the folder whose sub-folders are genres: `root`, or ``root/spectrograms``."""
    inner = root / PICTURES_FOLDER
    return inner if inner.is_dir() and any(entry.is_dir() for entry in _entries(inner)) else root


def track_id_of(path: Path) -> str:
    """Return a file's name without its suffixes, as text: what a table of tracks calls it."""
    stem = path.name
    while Path(stem).suffix.lower() in AUDIO_SUFFIXES | {PICTURE_SUFFIX}:
        stem = Path(stem).stem
    return printable(Path(stem))


def _walk(folder: Path, *, genre: str, left_out: list[str], above: Sequence[Path] = ()) -> Iterable[Source]:
    above = (*above, folder.resolve())
    for entry in _entries(folder):
        if entry.is_dir():
            if _leads_back(entry, above):
                left_out.append(_link_back(entry))
                continue
            inner = _walk(entry, genre=genre, left_out=left_out, above=above)
            yield from (replace(source, folder=str(Path(entry.name, source.folder))) for source in inner)
            continue
        suffix = entry.suffix.lower()
        if suffix not in AUDIO_SUFFIXES and suffix != PICTURE_SUFFIX:
            continue
        if not entry.is_file():
            left_out.append(f"{printable(entry)}: not a regular file")
        elif entry.stat().st_size == 0:
            left_out.append(f"{printable(entry)}: empty file")
        else:
            kind: Kind = "picture" if suffix == PICTURE_SUFFIX else "audio"
            yield Source(entry, kind, genre, track_id_of(entry))


def _leads_back(entry: Path, above: Sequence[Path]) -> bool:
    """Whether an entry is a link to a folder on the way to it, be it by other links, or to one above that."""
    return entry.is_symlink() and any(folder.is_relative_to(entry.resolve()) for folder in above)


def _link_back(entry: Path) -> str:
    return f"{printable(entry)}: a link back to a folder it lies in"


def _without_covers(found: Iterable[Source], folder: Path, left_out: list[str]) -> list[Source]:
    """Drop pictures that are no spectrograms, where there is audio: without any they must be meant."""
    sources = list(found)
    if all(source.kind == "picture" for source in sources):
        return sources
    kept = [source for source in sources if source.kind == "audio" or may_be_spectrogram(source.path)]
    if len(kept) < len(sources):
        others = counted(len(sources) - len(kept), "picture")
        left_out.append(f"{printable(folder)}: {others} of something else, such as covers")
    return kept


def _without_twins(sources: list[Source], left_out: list[str]) -> list[Source]:
    """Drop the audio of tracks whose picture is there too."""
    pictures = {(s.genre, s.folder, s.track_id) for s in sources if s.kind == "picture"}
    kept = []
    for source in sources:
        if source.kind == "audio" and (source.genre, source.folder, source.track_id) in pictures:
            left_out.append(f"{printable(source.path)}: its spectrogram is there as well and is used")
        else:
            kept.append(source)
    return sorted(kept, key=_order)


def _entries(folder: Path) -> list[Path]:
    try:
        names = sorted((entry.name for entry in folder.iterdir()), key=os.fsencode)
    except OSError as exc:
        raise CorpusError(f"{printable(folder)}: cannot be listed ({exc.strerror})") from exc
    return [folder / name for name in names if not name.startswith(".")]


def _order(source: Source) -> tuple[str, bytes]:
    return source.genre, os.fsencode(source.path)


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _composed(name: str) -> str:
    """Return a name with its accents as they are typed: folders made on a Mac have them apart."""
    return unicodedata.normalize("NFC", name)


def _no_text(folder: Path) -> str:
    return f"{printable(folder)}: a genre folder's name becomes a label and must be UTF-8 text, rename it"


def counted(count: int, noun: str) -> str:
    """Say how many there are of something."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
