import numpy as np

from fakedet.figures import canvas
from fakedet.figures.confusion import confusion_figure


def test_counts_shares_and_axes() -> None:
    figure = confusion_figure([[90, 10], [1, 1233]], "test $x")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == [
        "90\n90.0% of row",
        "10\n10.0% of row",
        "1\n0.1% of row",
        "1,233\n99.9% of row",
    ]
    np.testing.assert_allclose(np.asarray(axes.images[0].get_array()), np.array([[0.9, 0.1], [1 / 1234, 1233 / 1234]]))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("called", "is")
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["real", "fake"]
    assert axes.get_title() == "test $x"
    assert canvas.png(figure)


def test_a_class_without_images_is_said() -> None:
    (axes,) = confusion_figure([[0, 0], [3, 1]], "test").axes
    assert axes.texts[0].get_text() == "0\nno such image"
