"""The app: the routes of all files, the errors in one form, and the guard before them."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from trivium.serve import error
from trivium.serve.guard import Guard
from trivium.serve.metrics import Meter
from trivium.serve.routes import ROUTERS
from trivium.serve.served import Catalog


def build(catalog: Catalog) -> ASGIApp:
    """Return the app that serves the models of a catalog."""
    app = FastAPI(title="Trivium", docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.catalog, app.state.metrics = catalog, Meter(catalog)
    error.install(app)
    for router in ROUTERS:
        app.include_router(router)
    inner: ASGIApp = app
    if names := catalog.settings.cors:
        inner = CORSMiddleware(app, allow_origins=names, allow_methods=["GET", "POST"], allow_headers=["*"])
    return Guard(inner, catalog.settings, app.state.metrics.done)
