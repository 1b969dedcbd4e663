"""What starting up imports: nothing heavy before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "av", "ai_edge_litert", "keras", "librosa",
    "matplotlib", "mutagen", "numpy", "scipy", "sklearn", "sqlite3",
    "tensorflow", "watchdog", "httpx", "pathspec",
}  # fmt: skip


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import genretagd.cli.app",
        "import genretagd.pipeline",
        "import genretagd.config",
        "import genretagd.workers.pool",
        "import genretagd.api",
    ],
)
def test_no_heavy_library_is_imported_before_it_is_needed(code):
    assert loaded_by(code) & HEAVY == set()


def test_help_imports_no_heavy_library():
    code = (
        "import sys\nsys.argv = ['genretagd', '--help']\nfrom genretagd.cli import main\n"
        "try:\n    main()\nexcept SystemExit as exc:\n    assert not exc.code\n"
    )

    assert loaded_by(code) & HEAVY == set()
