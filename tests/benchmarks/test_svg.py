"""Pictures of how something grows."""

from __future__ import annotations

from xml.etree import ElementTree

from benchmarks.svg import Chart, draw

NAME = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str | None]:
    """Give all that is written in a picture."""
    return [it.text for it in ElementTree.fromstring(picture).iter(f"{NAME}text")]


def test_chart_names_its_axes_places_and_series() -> None:
    """Chosen: a picture says what it shows, without the page around it."""
    chart = Chart("Speed", "clients", "calls", {"a<b": [(1, 10), (1000, 42)]})

    written = texts(draw(chart))

    assert written == [
        *("Speed", "calls"),
        *("0", "10", "20", "30", "40", "50"),
        *("1", "1,000", "clients"),
        "a<b",
    ]


def test_greater_figures_are_higher() -> None:
    """Chosen: the axis begins at 0, so that heights compare as figures do."""
    chart = Chart("", "x", "y", {"of": [(1, 0), (10, 25), (100, 50)]})

    [line] = ElementTree.fromstring(draw(chart)).iter(f"{NAME}polyline")
    heights = [float(point.split(",")[1]) for point in line.attrib["points"].split()]

    assert heights[0] - heights[1] == heights[1] - heights[2] > 0


def test_names_are_not_written_over_each_other() -> None:
    """Chosen: lines that end at one place have names below each other."""
    chart = Chart("", "x", "y", {name: [(1, 5), (2, 5)] for name in "ab"})

    names = [
        float(it.attrib["y"])
        for it in ElementTree.fromstring(draw(chart)).iter(f"{NAME}text")
        if it.text in ("a", "b")
    ]

    assert names[1] - names[0] == 16
