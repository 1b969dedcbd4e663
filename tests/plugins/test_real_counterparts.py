"""mpd_update, mqtt, subsonic_rescan and beets_sync against the real programs, where they are installed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import mutagen
import pytest
from plugins_support import HOSTILE, Start, file_name, idle, moved, tagged
from waiting import until

from genretagd.errors import DeliveryError
from genretagd.event_json import event_from_text


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Mpd:
    """A real MPD with a library of its own, and a client that asks it what it knows."""

    def __init__(self, folder: Path, *, password: str = "") -> None:
        self.music = folder / "music"
        self.music.mkdir()
        self.port = free_port()
        config = folder / "mpd.conf"
        config.write_text(
            f'music_directory "{self.music}"\n'
            f'db_file "{folder}/db"\n'
            f'log_file "{folder}/log"\n'
            f'bind_to_address "127.0.0.1"\n'
            f'port "{self.port}"\n'
            'audio_output {\n  type "null"\n  name "none"\n}\n'
            + (f'password "{password}@read,control,admin"\ndefault_permissions "read"\n' if password else "")
        )
        self.process = subprocess.Popen(
            ["mpd", "--no-daemon", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: accepts(self.port))

    def ask(self, command: str) -> list[str]:
        link = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        with link, link.makefile("rwb") as connection:
            assert connection.readline().startswith(b"OK MPD")
            connection.write(command.encode() + b"\n")
            connection.flush()
            found = []
            while (line := connection.readline()) and not line.startswith((b"OK", b"ACK")):
                found.append(line.decode().rstrip("\n"))
            return found

    def genres(self) -> list[str]:
        return sorted(line.removeprefix("Genre: ") for line in self.ask("list genre") if line != "Genre: ")


@pytest.fixture
def mpd(tmp_path: Path) -> Iterator[Mpd]:
    if shutil.which("mpd") is None:
        pytest.skip("needs mpd (Debian's package mpd)")
    daemon = Mpd(tmp_path)
    yield daemon
    ended(daemon.process)


def put(repository: Path, path: Path, genre: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(repository / "tests" / "data" / "formats" / "flac.flac", path)
    audio = mutagen.File(path)
    audio["genre"], audio["title"] = [genre], [path.stem.encode("utf-8", "replace").decode()]
    audio.save()
    return path


def test_mpd_knows_the_new_genre_after_one_update(mpd: Mpd, start: Start, repository: Path) -> None:
    plugin = start("mpd_update", music_directory=mpd.music, host="127.0.0.1", port=mpd.port)
    one = put(repository, mpd.music / "A" / "one.flac", "Rock")
    two = put(repository, mpd.music / 'B "quoted\\' / "two.flac", "Jazz")
    for path in (one, two, Path("/elsewhere/three.flac")):
        plugin.tell(tagged(path, "Rock"))
    plugin.tell(idle())
    until(lambda: mpd.genres() == ["Jazz", "Rock"])
    (mpd.music / "C").mkdir()
    one.rename(mpd.music / "C" / "one.flac")
    plugin.tell(moved(one, mpd.music / "C" / "one.flac"))
    plugin.tell(idle())
    until(lambda: [line for line in mpd.ask("listall") if "one" in line] == ["file: C/one.flac"])


def test_mpd_finds_tracks_in_folders_whose_names_cannot_be_said(
    mpd: Mpd, start: Start, repository: Path
) -> None:
    plugin = start("mpd_update", music_directory=mpd.music, host="127.0.0.1", port=mpd.port)
    for hostile in HOSTILE.values():
        folder = mpd.music / file_name(hostile).removesuffix(".mp3").lstrip(".").replace("\n", "\n ")
        folder.mkdir(exist_ok=True)
        plugin.tell(tagged(put(repository, folder / "x.flac", "Rock"), hostile))
    plugin.tell(idle())
    until(lambda: "Rock" in mpd.genres())
    assert mpd.process.poll() is None


def test_mpd_that_is_busy_takes_what_a_large_run_has_changed(
    mpd: Mpd, start: Start, repository: Path
) -> None:
    plugin = start("mpd_update", music_directory=mpd.music, host="127.0.0.1", port=mpd.port)
    tracks = [put(repository, mpd.music / f"{number}" / "a.flac", "Rock") for number in range(50)]
    for number in range(2000):
        os.link(tracks[0], tracks[0].with_name(f"{number}.flac"))
    for track in tracks:
        plugin.tell(tagged(track, "Rock"))
    plugin.tell(idle())
    until(lambda: len(mpd.ask("find filename 49/a.flac")))


def test_mpd_with_a_password_lets_only_those_update_who_know_it(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    if shutil.which("mpd") is None:
        pytest.skip("needs mpd (Debian's package mpd)")
    daemon = Mpd(tmp_path, password="s3same")
    try:
        monkeypatch.setenv("MPD_PASSWORD", "s3same")
        options = {"music_directory": daemon.music, "host": "127.0.0.1", "port": daemon.port}
        track = put(repository, daemon.music / "a.flac", "Rock")
        stranger = start("mpd_update", **options)
        stranger.tell(tagged(track, "Rock"))
        with pytest.raises(DeliveryError, match="permission"):
            stranger.tell(idle())
        friend = start("mpd_update", password="env:MPD_PASSWORD", **options)

        def updated() -> bool:
            os.utime(track)  # mpd may have met the file half copied, at its own start
            friend.tell(tagged(track, "Rock"))
            friend.tell(idle())
            return daemon.genres() == ["Rock"]

        until(updated)
    finally:
        ended(daemon.process)


def test_no_mpd_fails_the_check(start: Start, tmp_path: Path) -> None:
    plugin = start(
        "mpd_update", expect_ready=False, music_directory=tmp_path, host="127.0.0.1", port=free_port()
    )
    assert plugin.status == "CHECK_FAILED"
    assert "MPD cannot be reached" in plugin.record().problems[0]


class Broker:
    """A real mosquitto, and a client that keeps what it is sent."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/sbin")
        if program is None:
            pytest.skip("needs mosquitto (Debian's package mosquitto)")
        paho = pytest.importorskip("paho.mqtt.client", reason="needs paho-mqtt, of the extra [plugins]")
        self.port = free_port()
        config = folder / "mosquitto.conf"
        config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        self.process = subprocess.Popen(
            [program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: accepts(self.port))
        self.got: list[tuple[str, str, bool]] = []
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self.client.on_message = lambda _c, _d, m: self.got.append((m.topic, m.payload.decode(), m.retain))
        self.client.connect("127.0.0.1", self.port)
        self.client.subscribe("#", qos=1)
        self.client.loop_start()

    def last(self, topic: str) -> str | None:
        return next((payload for name, payload, _ in reversed(self.got) if name == topic), None)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        ended(self.process)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    yield broker
    broker.close()


def test_mosquitto_gets_events_the_last_track_and_home_assistants_sensors(
    broker: Broker, start: Start, tmp_path: Path
) -> None:
    plugin = start("mqtt", host="127.0.0.1", port=broker.port, topic="music/tags")
    event = tagged(tmp_path / "a.mp3", "Rock", "Pop")
    plugin.tell(event)
    until(lambda: broker.last("music/tags/last"))
    assert event_from_text(broker.last("music/tags/tagged") or "") == event
    last = json.loads(broker.last("music/tags/last") or "")
    assert (last["genre"], last["path"]) == ("Rock; Pop", str(tmp_path / "a.mp3"))
    sensor = json.loads(broker.last("homeassistant/sensor/genretagd/last_genre/config") or "")
    assert sensor["state_topic"] == "music/tags/last"
    plugin.close()


def test_hostile_names_reach_mosquitto_under_the_same_topics(
    broker: Broker, start: Start, tmp_path: Path
) -> None:
    plugin = start("mqtt", host="127.0.0.1", port=broker.port, discovery="")
    for hostile in HOSTILE.values():
        event = tagged(tmp_path / file_name(hostile), hostile)
        plugin.tell(event)
        until(lambda key=event.key: key in (broker.last("genretagd/tagged") or ""))
        assert event_from_text(broker.last("genretagd/tagged") or "").path == event.path
    assert {topic for topic, *_ in broker.got} == {"genretagd/tagged", "genretagd/last"}


def test_no_broker_fails_the_check(start: Start) -> None:
    pytest.importorskip("paho.mqtt.client", reason="needs paho-mqtt, of the extra [plugins]")
    plugin = start("mqtt", expect_ready=False, host="127.0.0.1", port=free_port())
    assert plugin.status == "CHECK_FAILED"
    assert "the broker cannot be reached" in plugin.record().problems[0]


@pytest.fixture
def beet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A real beets with a library of its own."""
    program = os.environ.get("BEET") or shutil.which("beet")
    if program is None:
        pytest.skip("needs beets (pip install beets, or BEET=/path/to/beet)")
    folder = tmp_path / "beets"
    folder.mkdir()
    (folder / "config.yaml").write_text(
        f"directory: {tmp_path}/music\nlibrary: {folder}/library.db\nplugins: []\n"
        "import: {copy: no, move: no, write: no, autotag: no}\n"
    )
    monkeypatch.setenv("BEETSDIR", str(folder))
    return program


def beets_knows(beet: str) -> dict[str, str]:
    listed = subprocess.run(
        [beet, "ls", "-f", "$title\x1f$genres"], capture_output=True, check=True, text=True
    ).stdout
    return dict(line.split("\x1f", 1) for line in listed.splitlines() if "\x1f" in line)


def test_beets_knows_the_new_genre_whatever_the_file_is_called(
    beet: str, start: Start, repository: Path, tmp_path: Path
) -> None:
    music = tmp_path / "music"
    names = {f"t{number}": file_name(text) for number, text in enumerate(HOSTILE.values())}
    paths = {}
    for title, name in {**names, "bystander": "bystander.mp3", "plain": "plain.mp3"}.items():
        path = paths[title] = music / title / name.replace(".mp3", ".flac")
        put(repository, path, "Old")
        audio = mutagen.File(path)
        audio["title"] = [title]
        audio.save()
    subprocess.run([beet, "import", "-q", "-A", "-C", "-s", str(music)], check=True, capture_output=True)
    known = beets_knows(beet)
    assert known["plain"] == "Old"

    plugin = start("beets_sync", command=[beet])
    for title, path in paths.items():
        audio = mutagen.File(path)
        audio["genre"] = ["New"]
        audio.save()
        if title != "bystander":
            plugin.tell(tagged(path, "New", before=("Old",)))
    plugin.tell(idle())
    now = beets_knows(beet)
    assert set(now) == set(known)
    unsayable = {title: "Old" for title in known if set("\\\n\r") & set(str(paths[title]))}
    others = {title: genre for title, genre in now.items() if genre != "New"}
    assert others == {"bystander": "Old", **unsayable}


def test_beets_that_fails_is_asked_again_later(
    beet: str, start: Start, repository: Path, tmp_path: Path
) -> None:
    plugin = start("beets_sync", command=[beet])
    (tmp_path / "beets" / "config.yaml").write_text("directory: [\n")
    plugin.tell(tagged(put(repository, tmp_path / "a.flac", "New"), "New"))
    with pytest.raises(DeliveryError, match="beets: exit status"):
        plugin.tell(idle())


class Supysonic:
    """A real Subsonic server with a library of its own."""

    def __init__(self, programs: Path, folder: Path, environment: dict[str, str]) -> None:
        self.music = folder / "music"
        self.music.mkdir()
        home = folder / "home"
        home.mkdir()
        (home / ".supysonic").write_text(
            f"[base]\ndatabase_uri = sqlite:///{folder}/library.db\n"
            f"[webapp]\ncache_dir = {folder}/cache\nmount_webui = off\n"
            f"[daemon]\nsocket = {folder}/daemon.sock\nrun_watcher = no\n"
        )
        environment = {**environment, "HOME": str(home)}
        self.port = free_port()
        for arguments in (
            ["user", "add", "-p", "s3same", "admin"],
            ["user", "setroles", "--admin", "admin"],
            ["folder", "add", "Music", str(self.music)],
        ):
            subprocess.run(
                [programs / "supysonic-cli", *arguments],
                env=environment,
                check=True,
                capture_output=True,
                cwd=folder,
            )
        self.processes = [
            subprocess.Popen(
                [programs / name, *flags],
                env=environment,
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for name, flags in (
                ("supysonic-daemon", []),
                ("supysonic-server", ["-h", "127.0.0.1", "-p", str(self.port)]),
            )
        ]
        until(lambda: accepts(self.port) and (folder / "daemon.sock").exists(), seconds=60)

    def genres(self) -> list[str]:
        url = f"http://127.0.0.1:{self.port}/rest/getGenres.view?u=admin&p=s3same&v=1.8&c=test&f=json"
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = json.load(answer)["subsonic-response"]["genres"]
        return sorted(genre["value"] for genre in found.get("genre", []))


def test_a_subsonic_server_knows_the_new_genre_after_its_scan(
    start: Start, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("httpx", reason="needs httpx, which the extra genretagd[plugins] installs")
    found = os.environ.get("SUPYSONIC") or shutil.which("supysonic-server")
    if found is None:
        pytest.skip("needs supysonic (pip install supysonic waitress, or SUPYSONIC=/path/to/its/server)")
    server = Supysonic(Path(found).parent, tmp_path, dict(os.environ))
    try:
        monkeypatch.setenv("MUSIC_PASSWORD", "s3same")
        options = {"url": f"http://127.0.0.1:{server.port}", "username": "admin"}
        options["password"] = "env:MUSIC_PASSWORD"
        hashing = start("subsonic_rescan", expect_ready=False, **options)
        assert "code 10" in hashing.record().problems[0]  # this server knows no hashes
        plugin = start("subsonic_rescan", send_password=True, **options)
        track = put(repository, server.music / "A" / "a.flac", "Rock")
        plugin.tell(tagged(track, "Rock"))
        plugin.tell(idle())
        until(lambda: server.genres() == ["Rock"])
    finally:
        for process in server.processes:
            ended(process)
