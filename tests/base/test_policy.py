"""The policy of a page in a file, and data inside it that cannot become markup."""

import base64
import hashlib
import json
import re

from trivium.base.policy import embedded, guarded

PAGE = "<html>\n<head>\n<style>b { color: red }</style>\n</head>\n<script>let a = 1;</script>\n</html>\n"


def digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_a_page_allows_its_own_script_and_style_alone():
    made = guarded(PAGE)
    assert made.index("Content-Security-Policy") < made.index("<style>")
    meta = re.search(r'content="([^"]*)"', made)[1].replace("&#x27;", "'")
    rules = dict(rule.strip().split(" ", 1) for rule in meta.split(";"))
    assert rules["script-src"] == f"'sha256-{digest('let a = 1;')}'"
    assert rules["style-src"] == f"'sha256-{digest('b { color: red }')}'"
    assert rules["default-src"] == "'none'"
    assert guarded(PAGE.replace("a = 1", "a = 2")) != made.replace("a = 1", "a = 2")


def test_data_cannot_end_its_element():
    value = {"a": "</script><script>alert(1)</script>", "b": [1, None]}
    made = embedded(value)
    assert "<" not in made and json.loads(made) == value
