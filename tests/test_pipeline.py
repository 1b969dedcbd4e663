"""The path of one file, with a tag store, a classifier and a journal that remember what they were asked."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from genretagd.config import Config
from genretagd.domain import FileVersion, GenreTag, Prediction, Status, TagChange
from genretagd.errors import DecodeError, TagError, WriteRefusedError
from genretagd.pipeline import Pipeline, listen
from genretagd.policy import Policy

TRACK = Path("album/track.mp3")
VERSION = FileVersion(1, 2, 3, 4)


@dataclass
class FakeTags:
    genres: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    error: TagError | None = None
    locked: bool = False
    ours: bool = False
    written: list[tuple[Path, tuple[str, ...], object]] = field(default_factory=list)

    def read_genres(self, path):
        genres = self.genres.get(path, ())
        fields = {"TCON": genres} if genres else {}
        return GenreTag(genres, fields, "ID3v2.4", VERSION, written_by_us=self.ours, locked=self.locked)

    def digest_audio(self, path, *, expected):
        return None

    def check_writable(self, path, *, expected, options):
        assert expected == VERSION
        if self.error:
            raise self.error

    def write_genres(self, path, genres, *, expected, options, provenance=None):
        self.check_writable(path, expected=expected, options=options)
        self.written.append((path, tuple(genres), provenance))
        before = self.genres.get(path, ())
        self.genres[path] = tuple(genres)
        after = tuple(genres)
        return TagChange(path, before, after, {"TCON": before}, {"TCON": after}, VERSION, VERSION)


@dataclass
class FakeClassifier:
    predictions: dict[Path, Prediction | DecodeError] = field(default_factory=dict)
    heard: list[Path] = field(default_factory=list)

    def predict(self, path):
        self.heard.append(path)
        answer = self.predictions.get(path, heard(Rock=0.9, Pop=0.1))
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class FakeJournal:
    entries: list[tuple[str, object]] = field(default_factory=list)
    ours: bool | None = None

    def intend(self, path, tag, genres, *, model, confidence):
        self.entries.append(("intend", tuple(genres)))
        return len(self.entries)

    def wrote(self, path, tag, digest_audio):
        return self.ours

    @contextmanager
    def transaction(self):
        self.entries.append(("begin", None))
        yield
        self.entries.append(("commit", None))

    def done(self, entry, change):
        self.entries.append(("done", entry))

    def failed(self, entry, reason):
        self.entries.append(("failed", reason))


def heard(**probabilities: float) -> Prediction:
    return Prediction(probabilities, 0.0, 180.0, -1.0, "model@1", 0.6)


def policy(**tags) -> Policy:
    return Policy.of(replace(Config(), tags=replace(Config().tags, **tags)))


def pipeline(
    tags=None, classifier=None, journal=None, *, dry_run=False, undone=lambda *_: False, **options
) -> Pipeline:
    wanted = policy(**options)
    return Pipeline(
        tags=tags or FakeTags(),
        classifier=classifier or FakeClassifier(),
        policy_for=lambda _path: wanted,
        journal=None if dry_run else journal or FakeJournal(),
        undone=undone,
    )


def test_a_track_without_a_genre_is_tagged_between_intent_and_done():
    tags, journal = FakeTags(), FakeJournal()

    outcome = pipeline(tags, journal=journal).process(TRACK)

    assert (outcome.status, outcome.before, outcome.after) == (Status.TAGGED, (), ("Rock",))
    assert tags.written == [(TRACK, ("Rock",), None)]
    assert [name for name, _ in journal.entries] == ["intend", "begin", "done", "commit"]


def test_what_is_told_of_a_tagged_track_is_told_in_the_transaction_that_records_it():
    journal = FakeJournal()
    told = Pipeline(
        tags=FakeTags(),
        classifier=FakeClassifier(),
        policy_for=lambda _path: policy(),
        journal=journal,
        tell=lambda outcome: journal.entries.append(("told", outcome.entry)),
    )

    told.process(TRACK)

    assert [name for name, _ in journal.entries] == ["intend", "begin", "done", "told", "commit"]
    assert [entry for name, entry in journal.entries if name in ("done", "told")] == [1, 1]


def test_a_track_with_a_genre_is_kept_and_not_even_decoded():
    classifier = FakeClassifier()

    outcome = pipeline(FakeTags({TRACK: ("Doom",)}), classifier).process(TRACK)

    assert (outcome.status, outcome.code) == (Status.KEPT, "has genre")
    assert classifier.heard == []


def test_a_dry_run_stops_before_the_journal_and_the_write():
    tags = FakeTags()

    outcome = pipeline(tags, dry_run=True).process(TRACK)

    assert (outcome.status, outcome.after) == (Status.WOULD_TAG, ("Rock",))
    assert tags.written == []


def test_a_dry_run_says_so_where_a_write_would_be_refused():
    refused = WriteRefusedError(TRACK, "write-protected", code="read-only")

    outcome = pipeline(FakeTags(error=refused), dry_run=True).process(TRACK)

    assert (outcome.status, outcome.code) == (Status.SKIPPED, "read-only")


@pytest.mark.parametrize(
    ("options", "existing", "expected"),
    [
        ({"existing": "replace"}, ("Doom",), ("Rock",)),
        ({"existing": "append"}, ("Doom",), ("Doom", "Rock")),
        ({"existing": "replace", "protected": ("doom",)}, ("Doom", "Pop"), ("Rock", "Doom")),
        ({"placeholders": ("unknown",)}, ("Unknown",), ("Rock",)),
        ({"placeholders": ("unknown",), "existing": "append"}, ("Unknown", "Pop"), ("Pop", "Rock")),
    ],
    ids=["replace", "append", "protected", "placeholder", "placeholder, append"],
)
def test_existing_genres_are_treated_as_the_policy_says(options, existing, expected):
    assert pipeline(FakeTags({TRACK: existing}), **options).process(TRACK).after == expected


@pytest.mark.parametrize(("in_file", "in_journal"), [(True, None), (True, True), (False, True)])
def test_replace_ours_replaces_what_the_file_or_the_journal_knows_to_be_ours(in_file, in_journal):
    tags, journal = FakeTags({TRACK: ("Pop",)}, ours=in_file), FakeJournal(ours=in_journal)

    assert pipeline(tags, journal=journal, existing="replace-ours").process(TRACK).status == Status.TAGGED


def test_replace_ours_keeps_what_a_person_wrote():
    outcome = pipeline(FakeTags({TRACK: ("Pop",)}), existing="replace-ours").process(TRACK)

    assert (outcome.status, outcome.code) == (Status.KEPT, "not ours")


def test_replace_ours_keeps_what_a_person_wrote_into_a_file_that_still_carries_our_fields():
    tags, journal = FakeTags({TRACK: ("Zouk",)}, ours=True), FakeJournal(ours=False)

    outcome = pipeline(tags, journal=journal, existing="replace-ours").process(TRACK)

    assert (outcome.status, outcome.code) == (Status.KEPT, "not ours")


def test_what_an_undo_left_is_kept_where_nobody_asks_for_it():
    classifier = FakeClassifier()
    outcome = pipeline(FakeTags(), classifier, undone=lambda *_: True).process(TRACK)

    assert (outcome.status, outcome.code) == (Status.KEPT, "undone")
    assert classifier.heard == []


def test_a_locked_track_is_kept_whatever_the_policy():
    outcome = pipeline(FakeTags(locked=True), existing="replace").process(TRACK)

    assert (outcome.status, outcome.code) == (Status.KEPT, "locked")


def test_nothing_is_written_where_nothing_would_change():
    tags, journal = FakeTags({TRACK: ("Rock",)}), FakeJournal()

    outcome = pipeline(tags, journal=journal, existing="replace").process(TRACK)

    assert (outcome.status, outcome.code) == (Status.KEPT, "same genre")
    assert (tags.written, journal.entries) == ([], [])


def test_an_unsure_track_is_left_alone_with_the_reason():
    classifier = FakeClassifier({TRACK: heard(Rock=0.5, Pop=0.5)})
    journal = FakeJournal()

    outcome = pipeline(FakeTags(), classifier, journal).process(TRACK)

    assert (outcome.status, outcome.code) == (Status.UNSURE, "below threshold")
    assert "threshold 60%" in outcome.reason
    assert journal.entries == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TagError(TRACK, "no room left", code="full", transient=True), Status.FAILED),
        (WriteRefusedError(TRACK, "has two names", code="hard link"), Status.SKIPPED),
    ],
)
def test_a_failed_write_is_journalled_as_failed_and_reported(error, status):
    journal = FakeJournal()

    outcome = pipeline(FakeTags(error=error), journal=journal).process(TRACK)

    assert (outcome.status, outcome.code, outcome.transient) == (status, error.code, error.transient)
    assert journal.entries == [("intend", ("Rock",)), ("failed", error.problem)]


def test_provenance_is_written_only_where_asked_for():
    tags = FakeTags()

    pipeline(tags, provenance=True).process(TRACK)

    assert tags.written[0][2].model == "model@1"


def test_an_album_gets_the_genre_of_its_average_but_for_tracks_that_have_one():
    tracks = [Path(f"album/{n}.mp3") for n in range(4)]
    tags = FakeTags({tracks[0]: ("Doom",)})
    classifier = FakeClassifier(
        {
            tracks[1]: heard(Rock=0.9, Pop=0.1),
            tracks[2]: heard(Rock=0.45, Pop=0.55),
            tracks[3]: DecodeError(tracks[3], "is corrupt", code="corrupt"),
        }
    )

    outcomes = pipeline(tags, classifier).process_album(tracks)

    assert [o.status for o in outcomes] == [Status.KEPT, Status.TAGGED, Status.TAGGED, Status.FAILED]
    assert tags.genres[tracks[2]] == ("Rock",)
    assert tracks[0] not in classifier.heard


@pytest.mark.parametrize("aside", [{"seconds": 3.0}, {"peak_dbfs": -71.0}])
def test_interludes_and_silence_have_no_say_in_an_album_s_genre(aside):
    songs, skits = [Path("a.mp3")], [Path(f"{n}.mp3") for n in range(4)]
    tags = FakeTags()
    classifier = FakeClassifier(
        {songs[0]: heard(Rock=0.9, Pop=0.1)}
        | {skit: replace(heard(Rock=0.0, Pop=1.0), **aside) for skit in skits}
    )

    outcomes = pipeline(tags, classifier).process_album([*songs, *skits])

    assert {outcome.after for outcome in outcomes} == {("Rock",)}
    [alone] = pipeline(FakeTags(), classifier).process_album(skits[:1])
    assert alone.status is Status.UNSURE


def test_every_track_tells_how_long_it_took_whatever_became_of_it():
    broken = FakeClassifier({TRACK: DecodeError(TRACK, "is corrupt", code="corrupt")})

    assert listen(TRACK, broken, lambda _path: policy()).seconds > 0
    for classifier in (broken, FakeClassifier()):
        assert all(o.seconds > 0 for o in pipeline(classifier=classifier).process_album([TRACK]))


def test_listening_alone_reads_no_tags_and_tells_the_genres_it_would_decide_on():
    outcome = listen(TRACK, FakeClassifier(), lambda _path: policy())

    assert (outcome.status, outcome.after) == (Status.PREDICTED, ("Rock",))


def test_a_policy_s_fingerprint_changes_with_what_it_would_do():
    assert policy().fingerprint() == policy().fingerprint()
    assert policy(protected=("a", "b")).fingerprint() == policy(protected=("b", "a")).fingerprint()
    assert policy().fingerprint() != policy(existing="append").fingerprint()


def test_an_album_that_two_models_listened_to_gets_no_genre():
    tracks = [Path(f"album/{n}.mp3") for n in range(3)]
    other = replace(heard(Techno=0.9, House=0.1), model="model@2")
    classifier = FakeClassifier(
        {tracks[1]: DecodeError(tracks[1], "crashed", code="crashed"), tracks[2]: other}
    )
    tags = FakeTags()

    outcomes = pipeline(tags, classifier).process_album(tracks)

    assert [o.code for o in outcomes] == ["model replaced", "crashed", "model replaced"]
    assert not tags.written


@pytest.mark.parametrize("change", [{"genres": {TRACK: ("Doom",)}}, {"locked": True}])
def test_a_tag_that_is_edited_while_the_track_is_listened_to_stays_though_size_and_time_are_the_same(change):
    tags, journal = FakeTags(), FakeJournal()

    class Slow(FakeClassifier):
        def predict(self, path):
            for name, value in change.items():
                setattr(tags, name, value)
            return super().predict(path)

    outcome = pipeline(tags, Slow(), journal).process(TRACK)

    assert (outcome.status, outcome.code, outcome.transient) == (Status.FAILED, "changed", True)
    assert not tags.written
    assert not journal.entries


@pytest.mark.parametrize(
    "found", ["Música", "mu\u0301sica", "MÚSICA", "Pop; Música", "Música/Fado", "Pop, música", "a\\Música|b"]
)
def test_a_protected_genre_stays_however_it_is_written_and_whatever_it_is_joined_with(found):
    tags = FakeTags({TRACK: (found,)})

    outcome = pipeline(tags, existing="replace", protected=("M\u00fasica",)).process(TRACK)

    assert outcome.after == ("Rock", found)


def test_a_placeholder_counts_as_absent_however_its_accents_are_stored_but_not_joined_with_others():
    for found, status in (("Ge\u0301nero", Status.TAGGED), ("Género; Pop", Status.KEPT)):
        tags = FakeTags({TRACK: (found,)})
        assert pipeline(tags, placeholders=("G\u00e9nero",)).process(TRACK).status is status
