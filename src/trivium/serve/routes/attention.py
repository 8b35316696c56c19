"""What each token looks at, for the page: `/v1/trivium/attention`, of every layer and head, cross-attention first."""

import asyncio
from typing import Any

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import JSONResponse, Response

from trivium.api import Model
from trivium.infer.chat import ContextExceeded
from trivium.lab.attention import LONGEST, AttentionMap, look
from trivium.serve.ask import Ask
from trivium.serve.error import ApiError
from trivium.serve.served import ANSWERS, Models, of_texts

router = APIRouter()
ANSWERS["attention"] = of_texts


class AttentionAsk(Ask):
    """The body of a question for attention."""

    text: str = Field(min_length=1)
    target: str | None = None
    """What a decoder beside an encoder reads; without it, the decoder reads what it writes itself."""


@router.post("/v1/trivium/attention")
async def attention(ask: AttentionAsk, models: Models) -> Response:
    """Return the weights of every attention sublayer on a text."""
    served = models.find(ask.model, "attention")
    await asyncio.to_thread(fits, served.model, ask)
    found = await served.compute(lambda: look(served.model, ask.text, ask.target))
    layers = sorted(found, key=lambda one: not one.crosses)
    return JSONResponse({"model": served.name, "layers": [told(one) for one in layers]})


def fits(model: Model, ask: AttentionAsk) -> None:
    """Raise an error for a text that is not shown whole, and for a target that no decoder reads beside a text."""
    if ask.target is not None and model.config.family != "encoder_decoder":
        raise ApiError("target: only an encoder-decoder reads two texts", param="target")
    longest = min(LONGEST, model.layout().length)
    for name, count in (
        ("text", len(model.encode(ask.text))),
        ("target", 1 + len(model.tokenizer.encode(ask.target or ""))),
    ):
        if count > longest:
            raise ContextExceeded(f"{name}: attention is shown for at most {longest} tokens; these are {count:,}")


def told(layer: AttentionMap) -> dict[str, Any]:
    """Return a map as JSON; `weights` is [H, T, S], each row 1 in sum."""
    weights = [[[round(one, 4) for one in row] for row in head] for head in layer.weight.tolist()]
    return {"name": layer.name, "queries": layer.queries, "keys": layer.keys, "weights": weights}
