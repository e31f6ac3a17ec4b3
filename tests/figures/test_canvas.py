import re
import subprocess
import sys

import pytest

from fakedet.figures import canvas


def test_equal_figures_give_equal_files() -> None:
    files = []
    for _ in range(2):
        figure, axes = canvas.new(2, 2)
        axes.plot([0, 1], [0, 1])
        files.append(canvas.png(figure))
    assert files[0].startswith(b"\x89PNG")
    assert files[0] == files[1]


@pytest.mark.filterwarnings("error")
def test_a_script_that_the_font_lacks_is_no_warning() -> None:
    figure, axes = canvas.new(2, 2)
    axes.set_title("日本語")
    assert canvas.png(figure)


def test_colours_are_unequal_in_grey_too_for_the_two_classes() -> None:
    def luminance(colour: str) -> float:
        red, green, blue = (int(part, 16) for part in re.findall("..", colour[1:]))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    assert luminance(canvas.FAKE) - luminance(canvas.REAL) > 15
    assert len(set(canvas.CYCLE)) == len(canvas.CYCLE) == len(canvas.DASHES)


def test_long_and_hostile_names_become_one_short_line() -> None:
    assert canvas.printable("a.jpg") == "a.jpg"
    assert canvas.printable("a\n\x1b[31mb\u202e.jpg") == "a\ufffd\ufffd[31mb\ufffd.jpg"
    short = canvas.printable("folder/" * 50 + "name.jpg", 40)
    assert len(short) == 40
    assert short.startswith("folder/")
    assert short.endswith("name.jpg")


def test_pyplot_is_not_loaded() -> None:
    code = (
        "import sys, fakedet.figures.curves, fakedet.figures.panel, fakedet.figures.confusion, "
        "fakedet.figures.histogram, fakedet.figures.page\n"
        "sys.exit('matplotlib.pyplot' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
