"""A model bundle: everything that serving needs to know of a model, checked before it is believed.

The schema stands in docs/architecture.md. Nothing in a bundle is code, and nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tokenize import TokenError
from typing import Any, Final

import numpy as np

from genretagd.errors import ModelError, UsageError
from genretagd.ml.checks import Checker
from genretagd.ml.description import (
    Calibration,
    ExcerptChoice,
    Thresholds,
    names_of,
    parse_calibration,
    parse_excerpts,
    parse_front_end,
    parse_patch,
    parse_thresholds,
)
from genretagd.ml.frontend import FloatArray, FrontEnd, PatchGeometry, PictureArray

__all__ = [
    "Bundle",
    "Calibration",
    "ExcerptChoice",
    "Thresholds",
    "load_bundle",
    "locate_bundle",
    "write_bundle",
]

SCHEMA_VERSION: Final = 1
DESCRIPTION: Final = "bundle.json"
MODEL: Final = "model.tflite"
TRAINABLE: Final = "model.keras"
DEFAULT: Final = "default"
FORBIDDEN_IN_LABELS: Final = ";/,\0"
"""Media servers split a genre at the first three, ID3v2.4 at the last."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model bundle's description.

    Attributes
    ----------
    name, version : str
        Of the bundle.
    labels : tuple of str
        What the model can say, in the order of its logits.
    outside_labels : tuple of str
        Further logits for music or sound outside the labels.
    front_end : FrontEnd
        How spectrograms are made.
    excerpts : ExcerptChoice
        What is listened to.
    patch : PatchGeometry
        What the network takes.
    calibration : Calibration
        From logits to probabilities.
    thresholds : Thresholds
        When to decide.
    metrics, data : mapping
        What was measured, and on what it was trained; free in form.
    licence : str
        What that means for those who use it.
    files : mapping of str to str
        SHA-256 of every file beside the description.
    directory : Path or None
        Where it was read from.
    identity : str
        ``name-version@`` and the first eight digits of the description's own hash, which covers all files.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    outside_labels: tuple[str, ...] = ()
    front_end: FrontEnd = field(default_factory=FrontEnd)
    excerpts: ExcerptChoice = field(default_factory=ExcerptChoice)
    patch: PatchGeometry = field(default_factory=PatchGeometry)
    calibration: Calibration = field(default_factory=Calibration)
    thresholds: Thresholds = field(default_factory=Thresholds)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    identity: str = ""

    @property
    def channels(self) -> int:
        """Return how many channels a patch has."""
        return 3 if self.patch.colormap else 1

    def patch_shape(self) -> tuple[int, int | None, int]:
        """Return height, width and channels of a patch; the width is None where excerpts decide it."""
        if self.patch.resize_to is not None:
            return (*self.patch.resize_to, self.channels)
        return (self.front_end.n_mels, self.patch.frames, self.channels)

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``bundle.json``."""
        content = asdict(self)
        del content["directory"], content["identity"]
        return {"schema_version": SCHEMA_VERSION, **content}

    @classmethod
    def from_json(cls, content: Any, *, source: str = DESCRIPTION) -> Bundle:
        """Return the bundle that a description describes.

        Raises
        ------
        ModelError
            With every field that is missing, unknown, of a wrong type or out of range.
        """
        checker = Checker(source)
        root = checker.table(
            "", content, known={"schema_version", *names_of(cls)} - {"directory", "identity"}
        )
        if root.get("schema_version") != SCHEMA_VERSION:
            raise ModelError(
                f"{source}: schema version {root.get('schema_version')!r}, this program reads "
                f"{SCHEMA_VERSION}; install the matching version of genretagd or train the bundle anew"
            )
        labels = checker.texts("labels", root.get("labels"), least=2)
        outside = checker.texts("outside_labels", root.get("outside_labels", []))
        for problem in unusable_labels(label for label in (*labels, *outside) if label):
            checker.require(False, "labels", problem)
        bundle = cls(
            name=checker.text("name", root.get("name")),
            version=checker.text("version", root.get("version")),
            labels=labels,
            outside_labels=outside,
            front_end=parse_front_end(checker, root.get("front_end")),
            excerpts=parse_excerpts(checker, root.get("excerpts")),
            patch=parse_patch(checker, root.get("patch")),
            calibration=parse_calibration(checker, root.get("calibration")),
            thresholds=parse_thresholds(checker, root.get("thresholds")),
            metrics=checker.table("metrics", root.get("metrics", {})),
            data=checker.table("data", root.get("data", {})),
            licence=checker.text("licence", root.get("licence", ""), empty=True),
            files=checker.hashes("files", root.get("files")),
        )
        named = {MODEL, bundle.front_end.filter_bank} | ({bundle.patch.colormap} - {None})
        for name in sorted(str(name) for name in named):
            checker.require(name in bundle.files, "files", f"no hash of {name}")
        checker.finish()
        return bundle

    def read_file(self, name: str) -> bytes:
        """Return a file of the bundle, once its hash is found right.

        Raises
        ------
        ModelError
            It is missing or not the file that the bundle was written with.
        """
        if self.directory is None:
            raise ModelError(f"{self.name}: this bundle was not read from a directory")
        path = self.directory / name
        try:
            content = path.read_bytes()
        except OSError as exc:
            raise ModelError(
                f"{path}: cannot be read ({exc.strerror}), install or train the bundle again"
            ) from exc
        if hashlib.sha256(content).hexdigest() != self.files.get(name):
            raise ModelError(f"{path}: not the file this bundle was written with, install or train it again")
        return content

    def mel_basis(self) -> FloatArray:
        """Return the mel filter bank `[shape=(n_mels, 1 + n_fft // 2)]`."""
        name = self.front_end.filter_bank
        shape = (self.front_end.n_mels, 1 + self.front_end.n_fft // 2)
        return np.asarray(self._array(name, shape=shape, kinds="f"), dtype=np.float32)

    def colormap(self) -> PictureArray | None:
        """Return the colour map `[shape=(256, 3)]`, or None where patches have none."""
        if self.patch.colormap is None:
            return None
        return np.asarray(self._array(self.patch.colormap, shape=(256, 3), kinds="u"), dtype=np.uint8)

    def _array(self, name: str, *, shape: tuple[int, ...], kinds: str) -> np.ndarray[Any, Any]:
        content = self.read_file(name)
        where = f"{self.directory}/{name}"
        try:
            array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
        except (ValueError, EOFError, SyntaxError, TokenError, MemoryError) as exc:
            raise ModelError(f"{where}: not a numpy array, install or train the bundle again") from exc
        if array.shape != shape or array.dtype.kind not in kinds:
            raise ModelError(
                f"{where}: holds {array.dtype} of shape {array.shape}, the description asks for "
                f"shape {shape}; train the bundle again"
            )
        if not np.isfinite(array).all():
            raise ModelError(f"{where}: holds what is no number, train the bundle again")
        return np.asarray(array)


def locate_bundle(bundle: str | Path = DEFAULT) -> Path:
    """Return the directory of a bundle: the word "default" is the one in the package.

    Raises
    ------
    ModelError
        There is no such directory.
    """
    if str(bundle) == DEFAULT:
        directory = Path(__file__).resolve().parent.parent / "data" / DEFAULT
        if not directory.is_dir():
            raise ModelError(
                f"{directory}: this installation has no default model, name a bundle with --bundle"
            )
        return directory
    directory = Path(bundle).expanduser()
    if not os.path.isdir(directory):  # noqa: PTH112 - a name that is too long is none either
        raise ModelError(f"{directory}: no such directory, name a model bundle or the word {DEFAULT!r}")
    return directory


def load_bundle(bundle: str | Path = DEFAULT) -> Bundle:
    """Read and check a bundle's description; its files are checked as they are read.

    Parameters
    ----------
    bundle : str or Path
        A directory, or the word "default".

    Returns
    -------
    Bundle
        With `directory` and `identity` set.

    Raises
    ------
    ModelError
        There is none, or it cannot be believed.
    """
    directory = locate_bundle(bundle)
    path = directory / DESCRIPTION
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise ModelError(f"{path}: cannot be read ({exc.strerror}), name the directory of a bundle") from exc
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise ModelError(f"{path}: not JSON ({exc}), install or train the bundle again") from exc
    loaded = Bundle.from_json(content, source=str(path))
    digest = hashlib.sha256(raw).hexdigest()
    return replace(loaded, directory=directory, identity=f"{loaded.name}-{loaded.version}@{digest[:8]}")


def unusable_labels(labels: Iterable[str]) -> list[str]:
    """Say which names cannot be a bundle's labels, outside labels among them, and why."""
    problems = []
    for label, count in Counter(labels).items():
        if not label.strip():
            problems.append(f"{label!r} is blank")
        if any(char in label for char in FORBIDDEN_IN_LABELS):
            problems.append(f"{label!r} holds one of ; / , which players split genres at")
        if count > 1:
            problems.append(f"{label!r} stands twice")
        if any("\ud800" <= char <= "\udfff" for char in label):
            problems.append(f"{label!r} is no UTF-8 text")
    return problems


def refuse_foreign(directory: Path) -> None:
    """Refuse a place for a bundle where anything else is; nothing there, or a bundle alone, is fine.

    Raises
    ------
    UsageError
        Writing a bundle there would cost somebody a file.
    """
    if not os.path.lexists(directory):
        return
    if not directory.is_dir():
        raise UsageError(f"{directory}: a file is there, name a directory for the bundle")
    parts = _parts_of(directory)
    others = sorted(entry.name for entry in directory.iterdir() if entry.name not in parts)
    if others:
        raise UsageError(
            f"{directory}: holds {others[0]}, which is no part of a bundle, name another directory for it"
        )


def _parts_of(directory: Path) -> frozenset[str]:
    """Return the file names of the bundle in a directory; none where there is no bundle."""
    try:
        return frozenset({DESCRIPTION, *load_bundle(directory).files})
    except ModelError:
        return frozenset()


def write_bundle(directory: Path, bundle: Bundle, *, files: Mapping[str, bytes | Path]) -> Bundle:
    """Write a bundle, all or nothing; one that is there is replaced, and nothing else ever is.

    Parameters
    ----------
    directory : Path
        Where it shall be; its parent must exist.
    bundle : Bundle
        The description; `files`, `directory` and `identity` are filled in here.
    files : mapping of str to bytes or Path
        Content, or a file to copy, by name; `model.tflite`, the filter bank and a named colour map
        are needed.

    Returns
    -------
    Bundle
        As `load_bundle` reads it from there.

    Raises
    ------
    ModelError
        The description would not be accepted, or a file cannot be written.
    UsageError
        Something else than a bundle is there.
    """
    target = directory.absolute()
    try:
        refuse_foreign(target)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            return _write_into(temporary, target, bundle, files)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as exc:
        raise ModelError(
            f"{target}: the bundle cannot be written ({exc.strerror}), check the directory"
        ) from exc


def _write_into(temporary: Path, target: Path, bundle: Bundle, files: Mapping[str, bytes | Path]) -> Bundle:
    hashes = {}
    for name, content in files.items():
        data = content.read_bytes() if isinstance(content, Path) else content
        hashes[name] = hashlib.sha256(data).hexdigest()
        _write_durably(temporary / name, data)
    described = replace(bundle, files=dict(sorted(hashes.items())))
    checked = Bundle.from_json(json.loads(json.dumps(described.to_json())), source=str(target / DESCRIPTION))
    text = json.dumps(checked.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
    _write_durably(temporary / DESCRIPTION, (text + "\n").encode())
    written = load_bundle(temporary)
    written.mel_basis()
    written.colormap()
    temporary.chmod(0o755)
    _put_in_place(temporary, target)
    return replace(written, directory=target)


def _put_in_place(temporary: Path, target: Path) -> None:
    """Rename a directory to the target; of a former one's content only what is a bundle's is removed."""
    if not target.exists():
        temporary.rename(target)
        return
    aside = temporary.with_name(f"{temporary.name}.replaced")
    target.rename(aside)
    try:
        temporary.rename(target)
    except OSError:
        aside.rename(target)
        raise
    with contextlib.suppress(OSError):  # what came there meanwhile is not ours and stays
        for name in _parts_of(aside):
            (aside / name).unlink(missing_ok=True)
        aside.rmdir()


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
