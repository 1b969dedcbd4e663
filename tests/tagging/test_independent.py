from __future__ import annotations

import shutil
from collections.abc import Callable

import mutagen.asf
import mutagen.flac
import mutagen.id3
import mutagen.mp4
import pytest
from sounds import FORMATS

from genretagd.tagging.independent import View, differences, view


def in_id3(path, data: bytes, mime: str) -> None:
    tag = mutagen.id3.ID3()
    tag.add(mutagen.id3.APIC(mime=mime, data=data))
    tag.save(path)


def in_flac(path, data: bytes, mime: str) -> None:
    file = mutagen.flac.FLAC(path)
    picture = mutagen.flac.Picture()
    picture.data, picture.mime = data, mime
    file.clear_pictures()
    file.add_picture(picture)
    file.save()


def in_mp4(path, data: bytes, mime: str) -> None:
    kind = mutagen.mp4.MP4Cover.FORMAT_PNG if mime.endswith("png") else mutagen.mp4.MP4Cover.FORMAT_JPEG
    file = mutagen.mp4.MP4(path)
    file["covr"] = [mutagen.mp4.MP4Cover(b"first"), mutagen.mp4.MP4Cover(data, imageformat=kind)]
    file.save()


def in_asf(path, data: bytes, mime: str) -> None:
    file = mutagen.asf.ASF(path)
    form = b"\x03" + len(data).to_bytes(4, "little") + f"{mime}\0\0".encode("utf-16-le") + data
    file["WM/Picture"] = [mutagen.asf.ASFByteArrayAttribute(form)]
    file.save()


PLACES = {"mp3": ("MP3", in_id3), "flac": ("FLAC", in_flac), "alac": ("MP4", in_mp4), "wma": ("ASF", in_asf)}


def as_seen_with(path, kind: str, put: Callable[..., None], data: bytes, mime: str = "image/jpeg") -> View:
    put(path, data, mime)
    with path.open("rb") as file:
        seen = view(file, kind)
    assert seen is not None
    return seen


@pytest.mark.parametrize("name", PLACES)
def test_another_byte_or_type_of_a_picture_is_a_difference_and_the_same_picture_is_none(tmp_path, name):
    kind, put = PLACES[name]
    path = tmp_path / FORMATS[name].name
    shutil.copy(FORMATS[name], path)
    before = as_seen_with(path, kind, put, b"a picture")
    genres = before[0]
    assert differences(before, as_seen_with(path, kind, put, b"a picture"), genres) is None
    assert differences(before, as_seen_with(path, kind, put, b"a Picture"), genres)
    assert differences(before, as_seen_with(path, kind, put, b"a picture", "image/png"), genres)
