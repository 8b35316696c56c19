"""A heat map is pixels with names beside them, and the names are text of the page."""

import base64
import io
import re
import xml.etree.ElementTree as xml

import numpy as np
from matplotlib.image import imread

from trivium.lab.heatmap import WIDEST, heatmap, maps, pixels

VALUES = np.array([[1.0, np.nan, np.nan], [0.0, 0.5, np.nan]])


def test_a_pair_is_a_pixel_and_what_is_masked_is_empty() -> None:
    seen = imread(io.BytesIO(pixels(VALUES, "viridis")))
    assert seen.shape == (2, 3, 4) and np.array_equal(seen[..., 3] == 0, np.isnan(VALUES))
    assert seen[0, 0, 0] > 0.9 > 0.3 > seen[1, 0, 0]  # yellow, violet


def test_names_are_text_in_any_script() -> None:
    text = heatmap(VALUES, "Greys", ["<s>", "\u4eca\u5929"], ["a", "b", "c"], "head 1 & 2")
    drawn = xml.fromstring(text)
    assert [one.text for one in drawn.iter("text")] == ["<s>", "\u4eca\u5929", "a", "b", "c"]
    box = drawn.find("svg").attrib["viewBox"].split()
    place = drawn.find("svg/image").attrib
    assert float(place["x"]) + float(place["width"]) <= float(box[2]) and drawn.find("figcaption").text == "head 1 & 2"
    data = re.search('base64,([^"]+)', text)[1]
    assert imread(io.BytesIO(base64.b64decode(data))).shape == (2, 3, 4)


def test_a_long_name_is_cut_and_maps_stand_side_by_side() -> None:
    text = heatmap(VALUES[:1], "Greys", ["\u4eca" * 99])
    assert "\u2026" in text and float(re.search('x="([0-9.]+)" y="1"', text)[1]) <= WIDEST + 3
    assert maps([text, text], small=True).count("<svg") == 2
