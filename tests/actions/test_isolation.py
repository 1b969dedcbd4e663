"""Plugins that hang, exit, print, eat memory or lie: each in its real process, none harms anything."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from actions_support import spec_in, tagged, write_plugin
from waiting import until_gone

from genretagd.actions.hosted import HostedPlugin
from genretagd.actions.process import HostDied, Output
from genretagd.actions.runner import hosted_plugin
from genretagd.errors import DeliveryError

Make = Callable[..., HostedPlugin]


@pytest.fixture
def make(folder: Path, tmp_path: Path) -> Iterator[Make]:
    made: list[HostedPlugin] = []

    def begin(body: str, *, ready: bool = True, **options: Any) -> HostedPlugin:
        write_plugin(folder, "plugin", body)
        plugin = hosted_plugin(spec_in(folder, "plugin", **options), state=tmp_path / "state")
        made.append(plugin)
        assert plugin.ready() is ready, plugin.record()
        return plugin

    yield begin
    for plugin in made:
        plugin.close()


def tell(plugin: HostedPlugin) -> None:
    plugin.tell(tagged("/m/1.mp3"))


def test_an_exception_is_told_in_one_line_and_the_process_lives_on(make: Make) -> None:
    plugin = make("def on_tagged(self, event): raise ValueError('a\\nb')")
    for _ in range(2):
        with pytest.raises(DeliveryError, match="ValueError: a b") as caught:
            tell(plugin)
        assert not isinstance(caught.value, HostDied)


@pytest.mark.parametrize("what", ["sys.exit('bye')", "raise SystemExit(0)", "raise KeyboardInterrupt"])
def test_an_exit_is_a_failure_like_any_other(make: Make, what: str) -> None:
    plugin = make(f"def on_tagged(self, event): {what}")
    with pytest.raises(DeliveryError, match=r"SystemExit|KeyboardInterrupt"):
        tell(plugin)


@pytest.mark.parametrize(
    ("what", "how"),
    [
        ("os._exit(3)", "exit status 3"),
        ("os.kill(os.getpid(), 9)", "killed by SIGKILL"),
        ("os.closerange(3, 64); time.sleep(9)", "took longer|closed its answers"),
    ],
)
def test_a_process_that_ends_is_noticed_at_once(make: Make, what: str, how: str) -> None:
    plugin = make(f"def on_tagged(self, event): {what}", time_limit_seconds=2)
    with pytest.raises(HostDied, match=how):
        tell(plugin)


WRONG_ANSWERS = {
    "a header": (
        "raise DeliveryError('busy', retry_after_seconds='5')",
        r"^busy \(retry_after_seconds must be a number, not '5'\)$",
    ),
    "never": ("raise DeliveryError('busy', retry_after_seconds=float('inf'))", "^busy .*not inf"),
    "nowhere": ("return Moved(to=None)", r"^Moved\(to=None\): must be the whole path of the track$"),
    "somewhere": ("return Moved(to=Path('Rock/1.mp3'))", "must be the whole path"),
    "no name": ("return Moved(to='/m/a\\0b')", "must be the whole path"),
    "no file": ("return Moved(to='/m/Rock/1.mp3')", "is no file"),
    "speechless": ("raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})", "^Odd$"),
}


@pytest.mark.parametrize(("what", "message"), WRONG_ANSWERS.values(), ids=WRONG_ANSWERS)
def test_an_answer_that_makes_no_sense_is_a_failed_delivery(make: Make, what: str, message: str) -> None:
    plugin = make(f"def on_tagged(self, event): {what}")
    with pytest.raises(DeliveryError, match=message) as caught:
        tell(plugin)
    assert caught.value.retry_after_seconds is None
    assert not isinstance(caught.value, HostDied)


def test_a_track_may_be_moved_to_a_path_as_text(make: Make) -> None:
    moved = make(f"def on_tagged(self, event): return Moved(to={__file__!r})").tell(tagged("/m/1.mp3"))
    assert (moved and moved.path) == Path(__file__)


def test_a_child_that_a_plugin_forked_does_not_answer_for_it(make: Make) -> None:
    plugin = make(
        """
        def on_tagged(self, event):
            if event.path.name == 'one.mp3':
                if os.fork() == 0:
                    time.sleep(0.2)
                return
            time.sleep(0.6)
            raise DeliveryError('could not tell ' + event.path.name)
        """
    )
    plugin.tell(tagged("/m/one.mp3"))
    with pytest.raises(DeliveryError, match=r"could not tell two\.mp3"):
        plugin.tell(tagged("/m/two.mp3"))


def test_what_a_plugin_puts_among_our_answers_is_not_taken_for_one(make: Make) -> None:
    plugin = make(
        """
        def on_tagged(self, event):
            import contextlib
            for descriptor in range(3, 20):
                with contextlib.suppress(OSError):
                    os.write(descriptor, b'{"ok": true}\\n')
            time.sleep(0.2)
            raise DeliveryError('no')
        """
    )
    with pytest.raises(HostDied, match="spoke nonsense"):
        tell(plugin)


STARTS_A_CHILD = """
def on_tagged(self, event):
    import subprocess
    child = subprocess.Popen(['sleep', '600'])
    (state_directory() / 'child').write_text(str(child.pid))
    {then}
"""


def child_of(state: Path) -> int:
    return int((state / "plugins" / "plugin" / "child").read_text())


ENDS = [("time.sleep(600)", "longer than 1 s"), ("os._exit(3)", "status 3"), ("raise MemoryError", "Memory")]


@pytest.mark.parametrize(("then", "how"), ENDS)
def test_what_a_plugin_started_ends_with_its_process(make: Make, tmp_path: Path, then: str, how: str) -> None:
    plugin = make(STARTS_A_CHILD.format(then=then), time_limit_seconds=1)
    with pytest.raises(HostDied, match=how):
        tell(plugin)
    plugin.drop()
    until_gone(child_of(tmp_path / "state"))


def test_what_a_plugin_started_ends_when_it_is_closed(make: Make, tmp_path: Path) -> None:
    plugin = make(STARTS_A_CHILD.format(then="return"))
    tell(plugin)
    plugin.close()
    until_gone(child_of(tmp_path / "state"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the address space")
def test_a_plugin_that_eats_memory_meets_its_limit(make: Make) -> None:
    plugin = make(
        "def on_tagged(self, event): x = [bytearray(1 << 24) for _ in range(1000)]", memory_megabytes=256
    )
    with pytest.raises(HostDied, match="MemoryError"):
        tell(plugin)


def test_what_a_plugin_prints_is_logged_and_not_taken_for_an_answer(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    plugin = make(
        """
        def on_tagged(self, event):
            print('{"ok": false}')
            sys.stderr.write('half')
            os.write(1, b'raw \\xff\\x1b[31m\\n')
        """
    )
    tell(plugin)
    plugin.close()
    lines = [record.getMessage() for record in caplog.records]
    assert 'plugin: printed: {"ok": false}' in lines
    assert any("raw" in line and "\x1b" not in line for line in lines)


def test_a_plugin_that_prints_without_end_floods_nothing(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    plugin = make("def on_tagged(self, event): [print('x' * 10_000) for _ in range(2_000)]")
    tell(plugin)
    plugin.drop()  # as where its process has died
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) < 40
    assert max(map(len, lines)) < 600
    assert "left out" in lines[-1]


def test_a_plugin_has_nothing_to_read_and_does_not_see_our_pipes(make: Make) -> None:
    plugin = make(
        """
        def on_tagged(self, event):
            assert sys.stdin.read() == ''
            import subprocess
            fds = subprocess.run(['ls', '/proc/self/fd'], capture_output=True, text=True).stdout.split()
            assert len(fds) <= 4, fds
        """
    )
    tell(plugin)


def test_a_thread_that_a_plugin_left_behind_does_not_keep_its_process(make: Make) -> None:
    plugin = make(
        """
        def on_tagged(self, event):
            import threading
            threading.Thread(target=time.sleep, args=(600,)).start()
        """
    )
    tell(plugin)
    began = time.monotonic()
    plugin.close()
    assert time.monotonic() - began < 4


def test_the_process_ends_with_all_it_started_when_its_parent_is_gone(folder: Path, tmp_path: Path) -> None:
    write_plugin(folder, "plugin", STARTS_A_CHILD.format(then="time.sleep(600)"))
    program = textwrap.dedent(
        """
        import os, sys, threading, time
        from pathlib import Path
        sys.path.insert(0, sys.argv[1])
        from actions_support import spec_in, tagged
        from genretagd.actions.runner import hosted_plugin
        plugin = hosted_plugin(spec_in(Path(sys.argv[2]), "plugin"), state=Path(sys.argv[3]))
        assert plugin.ready()
        print(plugin._host.pid, flush=True)
        threading.Thread(target=plugin.tell, args=[tagged("/m/1.mp3")]).start()
        child = Path(sys.argv[3], "plugins", "plugin", "child")
        while not child.exists() or not child.read_text():
            time.sleep(0.02)
        os.kill(os.getpid(), 9)
        """
    )
    parent = subprocess.run(
        [sys.executable, "-c", program, Path(__file__).parent, folder, tmp_path / "state"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert parent.returncode == -9, parent.stderr
    until_gone(int(parent.stdout))
    until_gone(child_of(tmp_path / "state"))


def test_state_is_the_plugins_own_and_lasts(make: Make, tmp_path: Path) -> None:
    body = """
        def on_tagged(self, event):
            with (state_directory() / 'seen').open('a') as file:
                file.write('x')
    """
    for _ in range(2):
        plugin = make(body)
        tell(plugin)
        plugin.close()
    assert (tmp_path / "state" / "plugins" / "plugin" / "seen").read_text() == "xx"


def test_a_module_that_exits_hangs_nothing(make: Make, folder: Path, tmp_path: Path) -> None:
    (folder / "rude.py").write_text("import sys\nsys.exit(1)\n")
    (folder / "rude.py").chmod(0o600)
    plugin = hosted_plugin(spec_in(folder, "rude"), state=tmp_path / "state")
    assert not plugin.ready()
    assert plugin.record().problems == ("rude: cannot be imported: SystemExit: 1",)


def test_a_check_that_fails_is_a_status_with_its_reason(make: Make) -> None:
    plugin = make(
        """
        def on_tagged(self, event): pass
        def check(self): raise PluginError("server: is down, start it")
        """,
        ready=False,
    )
    assert plugin.record().status == "CHECK_FAILED"
    assert plugin.record().problems == ("server: is down, start it",)


def test_secrets_show_in_no_log_error_status_or_print(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_TOKEN", "tök/en&1")
    (tmp_path / "key").write_text("key-of-the-house\n")
    plugin = make(
        """
        token: Secret
        keys: tuple[Secret, ...] = ()
        def on_tagged(self, event):
            from urllib.parse import quote
            print(self, self.token.reveal(), quote(self.keys[0].reveal()))
            raise ValueError(f'GET http://me:pass@host/?t={quote(self.token.reveal(), safe="")}')
        """,
        token="env:MY_TOKEN",
        keys=[f"file:{tmp_path}/key"],
    )
    with pytest.raises(DeliveryError) as caught:
        tell(plugin)
    told = plugin.note(caught.value)
    plugin.close()
    everything = told + repr(plugin.record()) + caplog.text
    assert told == "ValueError: GET http://***@host/?t=***"
    for secret in ("tök", "key-of-the-house", "me:pass", "t%C3%B6k"):
        assert secret not in everything


def test_a_secret_that_is_exchanged_while_no_process_runs_shows_nowhere(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "key").write_text("old-token\n")
    plugin = make(
        """
        key: Secret
        def on_tagged(self, event):
            print(self.key.reveal())
            raise ValueError(self.key.reveal())
        """,
        key=f"file:{tmp_path}/key",
    )
    plugin.close()
    (tmp_path / "key").write_text("new-token\n")
    assert plugin.ready()
    with pytest.raises(DeliveryError, match="new-token") as caught:
        tell(plugin)
    assert plugin.note(caught.value) == "ValueError: ***"
    assert "new-token" not in caplog.text


def test_a_secret_longer_than_a_line_of_the_log_is_not_cut_into_view(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("LONG", "s3cret" * 500)
    plugin = make(
        """
        key: Secret
        def on_tagged(self, event): print(self.key.reveal())
        """,
        key="env:LONG",
    )
    tell(plugin)
    plugin.close()
    assert [record.getMessage() for record in caplog.records] == ["plugin: printed: ***"]


def test_output_is_bounded_per_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    caplog.set_level(logging.INFO)
    output = Output(logging.getLogger("x"), redact=str, clock=lambda: now[0], lines_per_minute=2)
    output.feed(b"a\nb\nc\nd\n")
    now[0] = 61.0
    output.feed(b"e\nf")
    output.finish()
    assert [record.getMessage() for record in caplog.records] == [
        "printed: a",
        "printed: b",
        "printed 2 more lines, which are left out",
        "printed: e",
        "printed: f",
    ]
