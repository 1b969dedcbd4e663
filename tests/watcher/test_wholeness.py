from __future__ import annotations

import os
import shutil
import struct
import sys

import pytest

from genretagd.watcher.wholeness import unfinished

FORMATS = [
    "mp3.mp3",
    "wav.wav",
    "aiff.aiff",
    "dsd.dsf",
    "aac.m4a",
    "alac.m4a",
    "wma.wma",
    "opus.opus",
    "vorbis.ogg",
]


@pytest.fixture
def formats(repository):
    return repository / "tests" / "data" / "formats"


@pytest.mark.parametrize("name", FORMATS)
def test_a_whole_file_is_finished(formats, name):
    assert unfinished(str(formats / name)) is None


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_file_cut_short_is_not(formats, tmp_path, name, part):
    data = (formats / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: int(len(data) * part)])
    found = unfinished(str(path))
    assert found is not None
    assert not found.patient
    assert "missing" in found.reason


@pytest.mark.parametrize("name", ["flac.flac", "mp3-no-header.mp3", "ape.ape"])
def test_a_file_with_a_part_that_nobody_has_written_yet_is_not(formats, tmp_path, name):
    data = (formats / name).read_bytes() * 20
    part = len(data) // 3
    with (tmp_path / name).open("wb") as file:
        file.write(data[:part])
        file.seek(2 * part)
        file.write(data[2 * part :])
        hole = os.lseek(file.fileno(), 0, os.SEEK_HOLE) < len(data)
    if not hole:
        pytest.skip("this file system keeps no holes")
    found = unfinished(str(tmp_path / name))
    assert found is not None
    assert not found.patient
    (tmp_path / name).write_bytes(data)
    assert unfinished(str(tmp_path / name)) is None


def test_an_mp4_without_its_index_is_not_finished(formats, tmp_path):
    data = (formats / "aac.m4a").read_bytes()
    boxes, at = {}, 0
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        boxes[kind] = data[at : at + length]
        at += length
    path = tmp_path / "a.m4a"
    path.write_bytes(boxes[b"ftyp"] + boxes[b"mdat"])
    assert unfinished(str(path)) is not None


@pytest.mark.parametrize("suffix", [".mp3", ".wav", ".m4a", ".ogg", ".wma", ".dsf", ".aiff", ".flac", ".ape"])
@pytest.mark.parametrize(
    "content", [b"x", b"not audio at all" * 100, b"\0" * 5000], ids=["tiny", "text", "zeros"]
)
def test_what_is_no_such_container_is_left_for_the_pipeline_to_judge(tmp_path, suffix, content):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert unfinished(str(path)) is None


def test_an_mp4_of_endless_tiny_boxes_is_measured_quickly(tmp_path):
    path = tmp_path / "a.m4a"
    path.write_bytes(struct.pack(">I4s", 8, b"free") * 400_000)
    assert unfinished(str(path)) is None


def test_a_missing_file_and_a_pipe_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp3")
    assert unfinished(str(tmp_path / "missing.mp3")) is None
    assert unfinished(str(tmp_path / "pipe.mp3")) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="leases are Linux's")
def test_a_file_that_somebody_has_open_for_writing_is_waited_for(formats, tmp_path):
    path = tmp_path / "a.mp3"
    shutil.copyfile(formats / "mp3.mp3", path)
    with path.open("r+b"):
        found = unfinished(str(path))
        assert found is not None
        assert found.patient
    assert unfinished(str(path)) is None
