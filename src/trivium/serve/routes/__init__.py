"""The routes of the server: a file is a group of them, and its `router` joins the app."""

import sys

from fastapi import APIRouter

from trivium.base.plugin import members

ROUTERS: list[APIRouter] = [sys.modules[f"{__name__}.{name}"].router for name in members(__name__, __path__)]
"""The router of every file of this folder."""
