"""The Content-Security-Policy of an HTML page: what the browser may run and load for it. Knows no page."""

import base64
import hashlib
import re


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
