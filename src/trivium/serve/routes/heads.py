"""What models with heads answer: `/v1/classify`, `/v1/tag`, `/v1/extract`, `/v1/fill` and `/v1/rerank`.

An answer is that of `trivium predict` and `trivium fill`. A text that is too long is refused, never cut; the context of
a question is read in windows.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar
from uuid import uuid4

from fastapi import APIRouter
from pydantic import BeforeValidator, Field
from starlette.responses import JSONResponse, Response

from trivium.api import Model
from trivium.base.config import Config, Seq, as_tuple
from trivium.infer.chat import ContextExceeded
from trivium.infer.read import content
from trivium.model.vectors import Vectors
from trivium.rows.kinds.squad import Squad
from trivium.rows.kinds.tagged import TaggedWords
from trivium.rows.kinds.text import LabelledText
from trivium.serve.ask import Ask
from trivium.serve.error import ApiError
from trivium.serve.served import ANSWERS, CALL_INPUTS, Models, Served
from trivium.task.kinds.classify import ClassifyTask
from trivium.task.kinds.extract import ExtractTask
from trivium.task.kinds.rerank import RerankTask
from trivium.task.kinds.tag import TagTask
from trivium.token.layout import Layout

T = TypeVar("T")
Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1)]

router = APIRouter()
ANSWERS["classify"] = lambda model: ClassifyTask.suits(model.config.head)
ANSWERS["tag"] = lambda model: TagTask.suits(model.config.head)
ANSWERS["extract"] = lambda model: ExtractTask.suits(model.config.head)
ANSWERS["fill"] = lambda model: model.config.family == "encoder" and hasattr(model.transformer.head, "features")
ANSWERS["rerank"] = lambda model: RerankTask.suits(model.config.head) or ANSWERS["embeddings"](model)


def listed(said: Any) -> Any:
    """Return one text as a list of one; and lists, also those inside, as tuples."""
    return tuple(map(as_tuple, said)) if isinstance(said, list) else (said,)


def paired(said: Any) -> Any:
    """Return texts and pairs of texts as tuples of one or two."""
    return tuple((one,) if isinstance(one, str) else one for one in listed(said))


Many = Field(min_length=1, max_length=2048)


class ClassifyAsk(Ask):
    """The body of a question for labels: a text, or a list of texts and of pairs of texts."""

    input: Annotated[
        tuple[Annotated[tuple[Text, ...], Field(min_length=1, max_length=2)], ...], Many, BeforeValidator(paired)
    ]


class TagAsk(Ask):
    """The body of a question for tags: a text, or a list of texts (words by white space) and of lists of words."""

    input: Annotated[tuple[Text | Texts, ...], Many, BeforeValidator(listed)]


class ExtractAsk(Ask):
    """The body of a question whose answer stands in a context."""

    question: Text
    context: Text


class FillAsk(Ask):
    """The body of a question for the words at `[MASK]`."""

    input: Annotated[tuple[Text, ...], Many, BeforeValidator(listed)]
    top_k: int = Field(5, ge=1, le=100)


class Passage(Config):
    """A document of a question for their order."""

    text: Text


Document = Annotated[Passage, BeforeValidator(lambda one: {"text": one} if isinstance(one, str) else one)]


class RerankAsk(Ask):
    """The body of a question for the order of documents, in the form of Cohere and Jina."""

    query: Text
    documents: Annotated[Seq[Document], Many]
    top_n: int | None = Field(None, ge=1)
    return_documents: bool = True


@router.post("/v1/classify")
async def classify(ask: ClassifyAsk, models: Models) -> Response:
    """Return the label of each text, and the scores of the likeliest labels."""
    served = models.find(ask.model, "classify")
    count = await asyncio.to_thread(lambda: whole(served.model.layout(), ask.input))
    records = [LabelledText(**dict(zip(("text", "text_pair"), one, strict=False))) for one in ask.input]
    found = await batches(served, records, lambda some: ClassifyTask().answers(served.model, some))
    return told(served, count, [{"index": at, **one} for at, one in enumerate(found)])


@router.post("/v1/tag")
async def tag(ask: TagAsk, models: Models) -> Response:
    """Return the words of each text and their tags."""
    served = models.find(ask.model, "tag")
    words = [one.split() if isinstance(one, str) else list(one) for one in ask.input]
    if not all(words):
        raise ApiError("input: expected at least one word in each text", param="input")
    count = await asyncio.to_thread(lambda: whole(served.model.layout(), [[" ".join(one)] for one in words]))
    records = [TaggedWords(tokens=tuple(one)) for one in words]
    found = await batches(served, records, lambda some: TagTask().answers(served.model, some))
    data = [{"index": at, "tokens": words[at], "tags": tags} for at, tags in enumerate(found)]
    return told(served, count, data)


@router.post("/v1/extract")
async def extract(ask: ExtractAsk, models: Models) -> Response:
    """Return the answer that stands in the context, empty where none does, and how much better than none it scores."""
    served = models.find(ask.model, "extract")

    def fits() -> int:
        layout = served.model.layout()
        question, context = (len(layout.tokenizer.encode(text)) for text in (ask.question, ask.context))
        if question > (most := layout.room(2) // 2):
            raise ContextExceeded(f"question: it has {question:,} tokens; beside a context at most {most:,} are read")
        if not context:
            raise ApiError("context: expected some text", param="context")
        return question + context

    count = await asyncio.to_thread(fits)
    record = Squad(question=ask.question, context=ask.context)
    found = await batches(served, [record], lambda some: ExtractTask().answers(served.model, some))
    return told(served, count, [{"index": 0, **found[0]}])


@router.post("/v1/fill")
async def fill(ask: FillAsk, models: Models) -> Response:
    """Return the likeliest tokens of each gap of each text, and their probabilities."""
    served = models.find(ask.model, "fill")
    count = await asyncio.to_thread(lambda: whole(served.model.layout(), [[one] for one in ask.input]))
    found = []
    for at, text in enumerate(ask.input):
        gaps = await served.compute(lambda text=text: served.model.fill(text, ask.top_k))  # type: ignore[misc]
        guesses = [[{"token": token, "probability": round(p, 6)} for token, p in gap] for gap in gaps]
        found.append({"index": at, "gaps": guesses})
    return told(served, count, found)


@router.post("/v1/rerank")
async def rerank(ask: RerankAsk, models: Models) -> Response:
    """Return the documents in the order of their scores for the query: those of the head, else cosines of vectors."""
    served = models.find(ask.model, "rerank")
    texts = [one.text for one in ask.documents]
    by = by_head if RerankTask.suits(served.model.config.head) else by_vector
    count, score = await asyncio.to_thread(by, served.model, ask.query, texts)
    scores = await batches(served, texts, score)
    order = sorted(range(len(texts)), key=lambda at: -scores[at])[: ask.top_n]
    results = [
        {
            "index": at,
            "relevance_score": scores[at],
            **({"document": {"text": texts[at]}} if ask.return_documents else {}),
        }
        for at in order
    ]
    usage = {"prompt_tokens": count, "total_tokens": count}
    return JSONResponse({"id": f"rerank-{uuid4().hex}", "model": served.name, "results": results, "usage": usage})


Scores = Callable[[Sequence[str]], list[float]]


def by_head(model: Model, query: str, texts: Sequence[str]) -> tuple[int, Scores]:
    """Return the tokens of all pairs, and the function from documents to the scores of a head."""
    count = whole(model.layout(model.tokenizer.limit), [(query, text) for text in texts])
    return count, lambda some: model.score([(query, text) for text in some])


def by_vector(model: Model, query: str, texts: Sequence[str]) -> tuple[int, Scores]:
    """Return the tokens of all texts, and the function from documents to cosines with the query.

    The prompts of the folder stand in front, by the names that sentence-transformers gives them.
    """
    how = Vectors.of(model.record)

    def prompt(*names: str) -> str | None:
        return next((name for name in names if name in how.prompts), None)

    asked, passage = prompt("query"), prompt("document", "passage", "corpus")
    layout = model.layout(how.length)
    ids = [content(layout, query, how, asked), *(content(layout, text, how, passage) for text in texts)]
    count = fitting(layout, [[one] for one in ids])

    def cosines(some: Sequence[str]) -> list[float]:
        one = model.embed([query], asked, normalise=True)
        return (model.embed(some, passage, normalise=True) @ one[0]).tolist()

    return count, cosines


def whole(layout: Layout, texts: Sequence[Sequence[str]]) -> int:
    """Return the tokens of texts or pairs of texts; see `fitting`."""
    return fitting(layout, [[layout.tokenizer.encode(part) for part in parts] for parts in texts])


def fitting(layout: Layout, texts: Sequence[Sequence[Sequence[int]]]) -> int:
    """Return the tokens of all texts, each in parts; ContextExceeded names one that the model cannot read whole."""
    total = 0
    for at, parts in enumerate(texts):
        count = sum(map(len, parts)) + layout.frame.size(len(parts))
        if count > layout.length:
            raise ContextExceeded(f"text {at} has {count:,} tokens; the model reads at most {layout.length:,}")
        total += count
    return total


async def batches(served: Served, given: Sequence[T], answer: Callable[[Sequence[T]], list[Any]]) -> list[Any]:
    """Return the answers to all that is given; between two batches the worker does other work."""
    found: list[Any] = []
    for at in range(0, len(given), CALL_INPUTS):
        found += await served.compute(lambda some=given[at : at + CALL_INPUTS]: answer(some))  # type: ignore[misc]
    return found


def told(served: Served, count: int, data: Sequence[dict[str, Any]]) -> Response:
    """Return a response of the answers to each input."""
    usage = {"prompt_tokens": count, "total_tokens": count}
    return JSONResponse({"object": "list", "model": served.name, "data": list(data), "usage": usage})
