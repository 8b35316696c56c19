"""The page at `/`: one HTML file with its own style and script. The browser may run and load nothing else."""

import base64
import hashlib
import re
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

router = APIRouter()
HTML = (Path(__file__).parent.parent / "page" / "index.html").read_text(encoding="utf-8")


def policy(html: str) -> str:
    """Return the Content-Security-Policy of a page: its own style and script by their hashes, requests to its host.

    No text becomes a script: the browser itself refuses to parse a string as HTML (trusted types).
    """

    def own(tag: str) -> str:
        parts = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        return " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'" for part in parts
        )

    rules = ["default-src 'none'", f"script-src {own('script')}", f"style-src {own('style')}", "connect-src 'self'"]
    rules += ["img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
    return "; ".join([*rules, "require-trusted-types-for 'script'", "trusted-types 'none'"])


HEADERS = {
    "Content-Security-Policy": policy(HTML),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@router.get("/", include_in_schema=False)
async def page() -> Response:
    """Return the page."""
    return Response(HTML, headers=HEADERS, media_type="text/html; charset=utf-8")
