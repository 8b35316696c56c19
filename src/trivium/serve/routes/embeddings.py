"""Embeddings: `/v1/embeddings`, one vector for each text. A text that is too long is refused, never cut."""

import asyncio
import base64
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BeforeValidator, Field
from starlette.responses import JSONResponse, Response
from torch import Tensor

from trivium.infer.chat import ContextExceeded
from trivium.infer.read import content, embed
from trivium.model.vectors import Vectors
from trivium.serve.ask import Ask, Ids, several
from trivium.serve.error import ApiError
from trivium.serve.served import ANSWERS, CALL_INPUTS, Models, Served, of_texts

router = APIRouter()
ANSWERS["embeddings"] = of_texts


class EmbeddingsAsk(Ask):
    """The body of a request for vectors."""

    input: Annotated[tuple[str, ...] | tuple[Ids, ...], BeforeValidator(several), Field(min_length=1, max_length=2048)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, ge=1)


@router.post("/v1/embeddings")
async def embeddings(ask: EmbeddingsAsk, models: Models) -> Response:
    """Return one vector for each input."""
    served = models.find(ask.model, "embeddings")
    tokens = await asyncio.to_thread(lengths, served, ask.input)
    found: list[Tensor] = []
    for at in range(0, len(ask.input), CALL_INPUTS):  # between two batches others have their turn
        found += await served.compute(partial(vectors, served, ask.input[at : at + CALL_INPUTS]))
    if ask.dimensions not in (None, len(found[0])):
        raise ApiError(f"dimensions: the vectors of {served.name} have {len(found[0])} numbers", param="dimensions")
    data = [
        {"object": "embedding", "index": at, "embedding": written(vector, ask.encoding_format)}
        for at, vector in enumerate(found)
    ]
    usage = {"prompt_tokens": sum(tokens), "total_tokens": sum(tokens)}
    return JSONResponse({"object": "list", "data": data, "model": served.name, "usage": usage})


def lengths(served: Served, inputs: Sequence[str | Sequence[int]]) -> list[int]:
    """Return the number of tokens of each input; ContextExceeded names one that the model cannot read whole."""
    how = Vectors.of(served.model.record)
    layout = served.model.layout(how.length)
    around = layout.frame.size(1)
    found = [len(content(layout, one, how)) + around if isinstance(one, str) else len(one) for one in inputs]
    for at, length in enumerate(found):
        if length > layout.length:
            raise ContextExceeded(f"input {at} has {length:,} tokens; the model reads at most {layout.length:,}")
    return found


def vectors(served: Served, inputs: Sequence[Any]) -> list[Tensor]:
    """Return the vectors of texts, or of ids, which stand for whole texts, with their special tokens."""
    if isinstance(inputs[0], str):
        return list(served.model.embed(inputs))
    how = Vectors.of(served.model.record)
    return list(embed(served.model.transformer, inputs, how.pool, how.normalise))


def written(vector: Tensor, form: str) -> list[float] | str:
    """Return a vector as numbers, or as the base64 of its bytes (float32, little-endian)."""
    if form == "float":
        return vector.tolist()
    return base64.b64encode(vector.numpy().astype("<f4").tobytes()).decode()
