"""A desk with everything around it, and a clock of its own."""

from __future__ import annotations

from dataclasses import replace

from genretagd.daemon.desk import Desk
from genretagd.daemon.queue import WorkQueue
from genretagd.domain import FileVersion, Outcome, Status, TagChange
from genretagd.ledger.versions import Judgement, Versions
from genretagd.settling import Look, Settled

BEFORE = FileVersion(1, 10, 100, 1)
AFTER = FileVersion(1, 11, 120, 2)


class Office:
    """A desk with everything around it: files, a pipeline, a clock, ears."""

    def __init__(self, database) -> None:
        self.now = 0.0
        self.set_at = 1e9
        self.files = {"/m/a.mp3": Look(BEFORE, 5.0)}
        self.judgement = Judgement("bundle", "policy")
        self.kept: list[Outcome] = []
        self.told: list[Outcome] = []
        self.troubles: list[str | None] = []
        self.unsettled: list[str] = []
        self.processed: list[str] = []
        self.database = database
        self.versions = Versions(database, exists=lambda path: path.decode() in self.files)
        self.queue = WorkQueue(clock=lambda: self.now)
        self.desk = Desk(
            queue=self.queue,
            versions=self.versions,
            judgement_for=lambda _path: self.judgement,
            look=self.files.get,
            told=self,
            unsettle=self.unsettled.append,
            clock=lambda: self.now,
            wall=lambda: self.set_at + self.now,
        )

    def keep(self, outcome):
        self.kept.append(outcome)

    def outcome(self, outcome):
        self.told.append(outcome)

    def trouble(self, problem):
        self.troubles.append(problem)

    def settle(self, path="/m/a.mp3"):
        self.desk.take_in(Settled(path, self.files[path]))

    def tag(self, path, /, *, tell):
        """Stand in for the pipeline: tags as it does, by a new file in the place of the old one."""
        self.processed.append(str(path))
        version = self.files[str(path)].version
        after = replace(
            version, inode=version.inode + 1, size=version.size + 20, mtime_ns=version.mtime_ns + 1
        )
        self.files[str(path)] = Look(after, 6.0)
        change = TagChange(path, (), ("Rock",), {}, {}, version, after)
        outcome = Outcome(path, Status.TAGGED, after=("Rock",), change=change)
        with self.database.transaction():
            tell(outcome)
        return outcome

    def work(self, process=None) -> list[Outcome | None]:
        done = []
        while (task := self.queue.take(0.0)) is not None:
            done.append(self.desk.work_on(task, process or self.tag))
        return done
