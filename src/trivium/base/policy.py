"""The Content-Security-Policy of an HTML page: what the browser may run and load for it. Knows no page."""

import base64
import hashlib
import html as escaping
import json
import re
from typing import Any


def policy(html: str, *more: str) -> str:
    """Return the policy of a page: its own style and script by their hashes, nothing else, and `more` rules.

    No text becomes a script: the browser itself refuses to parse a string as HTML (trusted types).
    """

    def own(tag: str) -> str:
        parts = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        return " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'" for part in parts
        )

    rules = ["default-src 'none'", f"script-src {own('script')}", f"style-src {own('style')}"]
    rules += ["img-src data:", "base-uri 'none'", "form-action 'none'"]
    return "; ".join([*rules, *more, "require-trusted-types-for 'script'", "trusted-types 'none'"])


def guarded(html: str) -> str:
    """Return a page with its policy in its head; it is for a file, which no server sends a header with."""
    meta = f'<meta http-equiv="Content-Security-Policy" content="{escaping.escape(policy(html))}">'
    return html.replace("<head>\n", f"<head>\n{meta}\n", 1)


def embedded(value: Any) -> str:
    """Return plain data as JSON for a script element: no text in it can end the element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
