"""The models of the server, and whether it is ready."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from trivium.serve.served import Models, Served

router = APIRouter()


def told(served: Served) -> dict[str, Any]:
    """Return a model as OpenAI lists it, with what it can answer and how much it reads."""
    return {
        "id": served.name,
        "object": "model",
        "created": served.created,
        "owned_by": "trivium",
        "family": served.model.config.family,
        "answers": served.answers,
        "max_model_len": served.context,
    }


@router.get("/v1/models")
async def models(catalog: Models) -> Response:
    """List the models."""
    catalog.check()
    return JSONResponse({"object": "list", "data": [told(one) for one in catalog.served.values()]})


@router.get("/v1/models/{name:path}")
async def model(name: str, catalog: Models) -> Response:
    """Tell of one model."""
    return JSONResponse(told(catalog.find(name)))


@router.get("/health")
async def health() -> Response:
    """Tell that the server runs."""
    return JSONResponse({"status": "ok"})


@router.get("/ready")
async def ready(catalog: Models) -> Response:
    """Tell whether all models are loaded."""
    catalog.check()
    return JSONResponse({"status": "ready"})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Return the numbers that Prometheus reads."""
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
