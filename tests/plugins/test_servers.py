"""subsonic_rescan, jellyfin_rescan and mpd_update against loopback servers that speak their protocols."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from plugins_support import HOSTILE, Start, file_name, idle, moved, tagged

from genretagd.errors import DeliveryError

pytest.importorskip("httpx", reason="needs httpx, which the extra genretagd[plugins] installs")

PASSWORD = "sesame & söhne"
KEY = "0123456789abcdef"


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.broken = 0
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        if self.server.broken:
            self.answer(self.server.broken, b"")
        elif place.path.startswith("/rest/"):
            self.subsonic(place.path.removeprefix("/rest/"), parse_qs(place.query))
        else:
            self.jellyfin("GET", place.path, None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.server.broken:
            self.answer(self.server.broken, b"")
            return
        self.jellyfin("POST", self.path, json.loads(body) if body else None)

    def subsonic(self, method: str, query: dict[str, list[str]]) -> None:
        """Answer as the Subsonic API 1.16.1 says, its token authentication included."""
        expected = hashlib.md5((PASSWORD + query["s"][0]).encode()).hexdigest()
        found: dict[str, Any] = {"status": "ok", "version": "1.16.1"}
        if query["t"] != [expected] or query["u"] != ["admin"]:
            found |= {"status": "failed", "error": {"code": 40, "message": "Wrong username or password"}}
        elif method == "startScan.view":
            self.server.asked.append(("GET", method, None))
            found["scanStatus"] = {"scanning": True, "count": 0}
        self.answer(200, json.dumps({"subsonic-response": found}).encode())

    def jellyfin(self, method: str, place: str, content: Any) -> None:
        """Answer as Jellyfin's OpenAPI description says: 401 without a key, 204 to library calls."""
        if f'Token="{KEY}"' not in self.headers.get("Authorization", ""):
            self.answer(401, b"")
        elif place == "/System/Info":
            self.answer(200, b"{}")
        elif place in ("/Library/Media/Updated", "/Library/Refresh"):
            self.server.asked.append((method, place, content))
            self.answer(204, b"")
        else:
            self.answer(404, b"")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status >= 400:
            self.send_header("Retry-After", "77")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("MUSIC_PASSWORD", PASSWORD)
    monkeypatch.setenv("MUSIC_KEY", KEY)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_subsonic_server_scans_once_for_a_thousand_tracks(
    start: Start, server: Server, tmp_path: Path
) -> None:
    plugin = start("subsonic_rescan", url=server.url + "/", username="admin", password="env:MUSIC_PASSWORD")
    for number in range(50):
        plugin.tell(tagged(tmp_path / f"{number}.mp3", "Rock"))
    assert server.asked == []
    plugin.tell(idle())
    assert server.asked == [("GET", "startScan.view", None)]


def test_a_wrong_subsonic_password_fails_the_check_and_is_not_shown(
    start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSIC_PASSWORD", "wrong-one")
    plugin = start(
        "subsonic_rescan",
        expect_ready=False,
        url=server.url,
        username="admin",
        password="env:MUSIC_PASSWORD",
    )
    assert plugin.status == "CHECK_FAILED"
    assert plugin.record().problems == ("ping: refused: Wrong username or password (code 40)",)
    assert "wrong-one" not in repr(plugin.record())


def test_a_subsonic_server_that_is_down_is_asked_again_later(start: Start, server: Server) -> None:
    plugin = start("subsonic_rescan", url=server.url, username="admin", password="env:MUSIC_PASSWORD")
    server.broken = 502
    with pytest.raises(DeliveryError, match="HTTP status 502") as caught:
        plugin.tell(idle())
    assert (caught.value.permanent, caught.value.retry_after_seconds) == (False, 77)


def test_what_is_no_subsonic_server_is_said_to_be_none(start: Start, server: Server) -> None:
    server.broken = 200
    plugin = start(
        "subsonic_rescan",
        expect_ready=False,
        url=server.url,
        username="admin",
        password="env:MUSIC_PASSWORD",
    )
    assert plugin.record().problems == ("ping: not an answer of a Subsonic server",)


def test_jellyfin_is_told_the_tracks_where_it_sees_them(start: Start, server: Server, tmp_path: Path) -> None:
    plugin = start(
        "jellyfin_rescan", url=server.url, api_key="env:MUSIC_KEY", paths={str(tmp_path): "/media"}
    )
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))
    plugin.tell(tagged(Path("/elsewhere/b.mp3"), "Rock"))
    plugin.tell(moved(tmp_path / "c.mp3", tmp_path / "d.mp3"))
    plugin.tell(idle())
    plugin.tell(idle())
    ((method, place, content),) = server.asked
    assert (method, place) == ("POST", "/Library/Media/Updated")
    assert content["Updates"] == [
        {"Path": "/media/a.mp3", "UpdateType": "Modified"},
        {"Path": "/elsewhere/b.mp3", "UpdateType": "Modified"},
        {"Path": "/media/c.mp3", "UpdateType": "Deleted"},
        {"Path": "/media/d.mp3", "UpdateType": "Created"},
    ]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library ``Music`` that is a link, and has one inside that leads out of it."""
    for folder in ("disk/Music/Rock", "other"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "Music").symlink_to("disk/Music")
    (tmp_path / "disk/Music/linked").symlink_to(tmp_path / "other")
    return tmp_path / "Music"


SPELLINGS = ["Music", "disk/Music", "other/../disk/Music"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_jellyfin_is_told_the_same_path_for_every_spelling(
    start: Start, server: Server, library: Path, spelling: str
) -> None:
    plugin = start("jellyfin_rescan", url=server.url, api_key="env:MUSIC_KEY", paths={str(library): "/media"})
    plugin.tell(tagged(library.parent / spelling / "Rock/a.mp3", "Rock"))
    plugin.tell(idle())
    assert server.asked[0][2]["Updates"] == [{"Path": "/media/Rock/a.mp3", "UpdateType": "Modified"}]


class Mpd(ThreadingTCPServer):
    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), MpdHandler)


class MpdHandler(StreamRequestHandler):
    server: Mpd

    def handle(self) -> None:
        self.wfile.write(b"OK MPD 0.23.5\n")
        for line in self.rfile:
            self.server.asked.append(line.decode().rstrip())
            self.wfile.write(b"OK\n")


@pytest.fixture
def mpd() -> Iterator[Mpd]:
    with Mpd() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("music", SPELLINGS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_mpd_is_told_the_same_folder_for_every_spelling(
    start: Start, mpd: Mpd, library: Path, music: str, spelling: str
) -> None:
    above = library.parent
    options = {"host": "127.0.0.1", "port": mpd.server_address[1]}
    plugin = start("mpd_update", music_directory=above / music, **options)
    for track in ("Rock/a.mp3", "linked/b.mp3", "../c.mp3"):
        plugin.tell(tagged(above / spelling / track, "Rock"))
    plugin.tell(idle())
    assert mpd.asked == ["ping", 'update "Rock"', 'update "linked"']


def test_jellyfin_is_told_hostile_names_as_valid_json(start: Start, server: Server, tmp_path: Path) -> None:
    plugin = start("jellyfin_rescan", url=server.url, api_key="env:MUSIC_KEY")
    names = [file_name(hostile) for hostile in HOSTILE.values()]
    for name, hostile in zip(names, HOSTILE.values(), strict=True):
        plugin.tell(tagged(tmp_path / name, hostile))
    plugin.tell(idle())
    told = [Path(update["Path"]).name for update in server.asked[0][2]["Updates"]]
    assert told == [os.fsencode(name).decode("utf-8", "replace") for name in names]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("127.0.0.1:8096", "missing an 'http://' or 'https://' protocol"),
        ("http://127.0.0.1:1", "Connection refused"),
    ],
)
def test_why_a_server_does_not_answer_is_told(start: Start, server: Server, url: str, problem: str) -> None:
    for use, options in (
        ("jellyfin_rescan", {"api_key": "env:MUSIC_KEY"}),
        ("subsonic_rescan", {"username": "admin", "password": "env:MUSIC_PASSWORD"}),
    ):
        plugin = start(use, expect_ready=False, url=url, **options)
        (told,) = plugin.record().problems
        assert told.startswith(f"{url}: no answer: ")
        assert problem in told


def test_mpds_directory_must_be_there(start: Start, mpd: Mpd, tmp_path: Path) -> None:
    options = {"host": "127.0.0.1", "port": mpd.server_address[1]}
    plugin = start("mpd_update", expect_ready=False, music_directory=tmp_path / "away", **options)
    assert "away: no such directory" in plugin.record().problems[0]


def test_folders_that_jellyfin_has_elsewhere_are_named_whole(start: Start, server: Server) -> None:
    options = {"url": server.url, "api_key": "env:MUSIC_KEY", "paths": {"Music": "/media"}}
    plugin = start("jellyfin_rescan", expect_ready=False, **options)
    assert 'paths: must be whole paths, or begin with ~, not "Music"' in plugin.record().problems[0]


def test_jellyfin_is_asked_again_when_it_says(start: Start, server: Server, tmp_path: Path) -> None:
    plugin = start("jellyfin_rescan", url=server.url, api_key="env:MUSIC_KEY")
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))
    server.broken = 503
    with pytest.raises(DeliveryError, match="HTTP status 503") as caught:
        plugin.tell(idle())
    assert (caught.value.permanent, caught.value.retry_after_seconds) == (False, 77)


def test_jellyfin_looks_at_everything_when_much_has_changed(
    start: Start, server: Server, tmp_path: Path
) -> None:
    plugin = start("jellyfin_rescan", url=server.url, api_key="env:MUSIC_KEY", max_tracks=3)
    for number in range(4):
        plugin.tell(tagged(tmp_path / f"{number}.mp3", "Rock"))
    plugin.tell(idle())
    assert server.asked == [("POST", "/Library/Refresh", None)]


def test_a_wrong_jellyfin_key_fails_the_check_and_is_not_shown(
    start: Start, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("not-the-key\n")
    plugin = start("jellyfin_rescan", expect_ready=False, url=server.url, api_key=f"file:{tmp_path}/key")
    assert plugin.record().problems == ("/System/Info: HTTP status 401",)
    assert "not-the-key" not in repr(plugin.record())
