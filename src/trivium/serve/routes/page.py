"""The page at `/`: one HTML file with its own style and script. The browser may run and load nothing else."""

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from trivium.base.policy import policy

router = APIRouter()
HTML = (Path(__file__).parent.parent / "page" / "index.html").read_text(encoding="utf-8")

HEADERS = {
    "Content-Security-Policy": policy(HTML, "connect-src 'self'", "frame-ancestors 'none'"),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@router.get("/", include_in_schema=False)
async def page() -> Response:
    """Return the page."""
    return Response(HTML, headers=HEADERS, media_type="text/html; charset=utf-8")
