"""Names in the report's figures are drawn as they are written, whatever is in them."""

import io

import numpy as np
import pytest
from PIL import Image

figures = pytest.importorskip("genretagd.ml.training.figures")
pytest.importorskip("matplotlib")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(r"$\foo$", id="no formula"),
        pytest.param("$$ Trap", id="two signs"),
        pytest.param("A$AP & $uicideboy$", id="names with the sign"),
        pytest.param("ジャズ", id="Japanese"),
        pytest.param("摇滚", id="Chinese"),
    ],
)
def test_any_name_of_a_genre_can_be_drawn(name):
    png = figures.confusion(np.eye(2, dtype=np.int64), [name, "Jazz"])
    assert Image.open(io.BytesIO(png)).format == "PNG"


@pytest.mark.parametrize("genres", [2, 40])
def test_a_figure_is_shown_as_large_as_it_was_drawn(genres):
    png = figures.confusion(np.eye(genres, dtype=np.int64), [f"Genre {number}" for number in range(genres)])
    image = Image.open(io.BytesIO(png))
    assert figures.width_on_screen(png) == pytest.approx(96 * image.width / image.info["dpi"][0], abs=1)


def test_a_name_between_dollars_is_set_as_no_formula(monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, "_png", lambda figure: drawn.append(figure) or b"")
    figures.confusion(np.eye(2, dtype=np.int64), ["$x$", "Jazz"])
    labels = [*drawn[0].axes[0].get_xticklabels(), *drawn[0].axes[0].get_yticklabels()]
    assert [label.get_text() for label in labels] == ["$x$", "Jazz"] * 2
    assert not any(label.get_parse_math() for label in labels)
