"""HTML of the course: formulae as MathML, numbers marked, text that stays text, links between pages."""

import pytest

from trivium.study.course import course, page
from trivium.study.course.render import Renderer, told

pytest.importorskip("latex2mathml", reason="an environment of before the course has no latex2mathml")
RECORD = {
    "date": "2026-01-02",
    "seconds": 3.5,
    "machine": {"system": "Linux", "machine": "x86_64", "threads": 2, "torch": "2.13"},
    "numbers": {"a": 0.25},
}
TEXT = """# A < B

Idea {{a}}, $`x_1`$ and `code`, <b>no tag</b>.

## Formula

```math
\\frac{1}{2}
```

## Drawing

```drawing rope
caption: see `this`
```

## Measure

| x | y | z | w |
|---|--:|:--|:-:|
| {{a:.0%}} | 1 | 2 | 3 |

After.

## Change next

[other](07-attention.md)

## Questions

### Why `a`?

So.
"""


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages") / "en"
    folder.mkdir()
    (folder / "01-mine.md").write_text(TEXT)
    mine = page.read(folder / "01-mine.md")
    later = mine._replace(title="Next & last", path=folder / "02-other.md")
    return Renderer(course.home()).page(mine, RECORD, True, {"k": "</script>"}, (None, later))


def test_a_page_has_its_parts(html):
    assert "<h1>A &lt; B</h1>" in html and "&lt;b&gt;no tag&lt;/b&gt;" in html and "<code>code</code>" in html
    assert '<math xmlns="http://www.w3.org/1998/Math/MathML" display="inline"><mrow><msub><mi>x</mi>' in html
    assert 'display="block"><mrow><mfrac>' in html and "$" not in html.partition("<script")[0].partition("<main>")[2]
    assert '<b class="measured">0.250</b>' in html and '<b class="measured">25%</b>' in html
    assert 'href="07-attention.html"' in html and '<a href="../zh/01-mine.html" lang="zh" hreflang="zh">' in html
    assert "<details><summary>Why <code>a</code>?</summary><p>So.</p>" in html
    assert '<a class="next" rel="next" href="02-other.html"><small>Next</small>Next &amp; last</a>' in html
    assert html.count("</script>") == 2 and "Content-Security-Policy" in html


def test_cells_are_aligned_by_classes(html):
    """The policy of a page refuses a style in a tag."""
    cells = '<th>x</th>\n<th class="right">y</th>\n<th class="left">z</th>\n<th class="center">w</th>'
    assert cells in html and html.count('<td class="right">') == 1 and "style=" not in html.partition("</style>")[2]
    style = html.partition("<style>")[2].partition("</style>")[0]
    assert all(f"td.{side} {{ text-align: {side} }}" in style for side in ("left", "right", "center"))


def test_whose_numbers_they_are_stands_below_the_table(html):
    line = "Measured here on 2026-01-02 in 3.5 CPU seconds (Linux x86_64, threads: 2, torch 2.13)."
    note = f'</table></div><p class="note">{line}</p>'
    assert note in html
    words = Renderer(course.home()).words["en"]
    assert told(RECORD, False, words).startswith("Measured by the authors on 2026-01-02")
