"""What a request asks: the one place where the fields of an API become rows of an engine.

No field is taken and not honoured. A field that cannot change the answer, or that has the value the API takes without
it, is left out here (`SILENT`, `NEUTRAL`); every other field that a class does not name is an error.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from trivium.base.config import Config, as_tuple
from trivium.base.errors import DataError
from trivium.base.seeds import LARGEST
from trivium.base.types import Message
from trivium.image.read import unpacked
from trivium.infer.chat import ContextExceeded, messages
from trivium.infer.generate import rows
from trivium.infer.grammar import Grammar, json_grammar
from trivium.infer.read import asked
from trivium.infer.row import Row
from trivium.serve.error import ApiError
from trivium.serve.served import Served
from trivium.serve.settings import Settings
from trivium.serve.tool import CLOSE, Said, Tools, by_rows, messages_of

Stop = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Stops = Annotated[
    tuple[Stop, ...],
    Field(max_length=4),
    BeforeValidator(
        lambda value: (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
    ),
]
"""One text that ends an answer, or up to four."""


Ids = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), BeforeValidator(as_tuple)]
"""The ids of one text."""
Index = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}$")]
Bias = Annotated[float, Field(ge=-100, le=100)]


class Ask(Config):
    """The body of a request. A field that is null is left out."""

    SILENT: ClassVar[frozenset[str]] = frozenset(
        {"user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"}
    )
    """Fields that cannot change an answer."""
    NEUTRAL: ClassVar[Mapping[str, Sequence[Any]]] = {"store": [False], "service_tier": ["auto", "default"]}
    """Fields that are taken only with these values: those that ask for nothing."""

    model: str
    """The name of a model: see /v1/models."""

    @model_validator(mode="before")
    @classmethod
    def _asked(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}
        return without({key: value for key, value in data.items() if key not in cls.SILENT}, cls.NEUTRAL)


def several(value: Any) -> Any:
    """Return one text, or the ids of one, as a tuple of one; and lists as tuples."""
    one = isinstance(value, str) or (isinstance(value, list) and value and all(isinstance(x, int) for x in value))
    return (value,) if one else as_tuple(value)


def without(data: Any, neutral: Mapping[str, Sequence[Any]]) -> Any:
    """Return an object without the keys that are null or have a value that asks for nothing."""
    if not isinstance(data, dict):
        return data
    same = {key for key, values in neutral.items() if any(_same(data.get(key), one) for one in (None, *values))}
    return {key: value for key, value in data.items() if key not in same}


def _same(found: Any, value: Any) -> bool:
    return type(found) is type(value) and found == value


class StreamOptions(Config):
    """What a stream tells besides the text."""

    include_usage: bool = False
    """Whether a last chunk has the numbers of tokens."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        return without(data, {"include_obfuscation": [False]})


class TextAsk(Ask):
    """What all routes that write have in common: how tokens are chosen, where a text ends, how it is sent."""

    LIMIT: ClassVar[str] = "max_tokens"
    """The name of that field in errors."""

    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int | None = Field(None, ge=1)
    min_p: float = Field(0.0, ge=0, le=1)
    presence_penalty: float = Field(0.0, ge=-2, le=2)
    frequency_penalty: float = Field(0.0, ge=-2, le=2)
    repetition_penalty: float = Field(1.0, gt=0, le=100)
    logit_bias: Mapping[Index, Bias] = {}
    seed: int | None = Field(None, ge=0, le=LARGEST)
    max_tokens: int | None = Field(None, ge=1)
    n: int = Field(1, ge=1)
    stop: Stops = ()
    stream: bool = False
    stream_options: StreamOptions | None = None

    @model_validator(mode="after")
    def _streamed(self) -> "TextAsk":
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options: only with stream: true")
        return self

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the numbers of tokens."""
        return self.stream_options is not None and self.stream_options.include_usage

    def most(self, served: Served, usual: int) -> int:
        """Return the most new tokens; an ApiError where more are asked for than the server or the model allows."""
        limits: Settings = served.settings
        limit = min(limits.max_new_tokens, served.context)
        if self.max_tokens is not None and self.max_tokens > limit:
            raise ApiError(f"{self.LIMIT}: expected at most {limit:,}, found {self.max_tokens:,}", param=self.LIMIT)
        return min(usual, limit) if self.max_tokens is None else self.max_tokens

    def options(self, served: Served, prompts: int = 1) -> dict[str, Any]:
        """Return the options of `Model.usual`; an ApiError names a field that this server or model cannot honour."""
        limits: Settings = served.settings
        if self.n > limits.choices:
            raise ApiError(f"n: expected at most {limits.choices}, found {self.n}", param="n")
        size = served.model.tokenizer.size
        if wrong := [index for index in self.logit_bias if int(index) >= size]:
            raise ApiError(f"logit_bias: expected ids from 0 to {size - 1}, found {wrong[0]}", param="logit_bias")
        if prompts * self.n > limits.waiting:
            raise ApiError(f"expected at most {limits.waiting} answers in one request, found {prompts * self.n}")
        fields: dict[str, Any] = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "min_p": self.min_p,
            "presence_penalty": self.presence_penalty,
            "frequency_penalty": self.frequency_penalty,
            "repetition_penalty": self.repetition_penalty,
            "seed": self.seed,
            "logit_bias": tuple((int(index), bias) for index, bias in self.logit_bias.items()),
        }
        stated = served.model.defaults.items()  # by the model's folder
        return fields | {key: value for key, value in stated if key in fields and key not in self.model_fields_set}


class JsonSchema(Config):
    """The form of an answer; the schema alone decides, `name` and `description` are labels of it."""

    name: str
    schema_: Mapping[str, Any] = Field({"type": "object"}, alias="schema")

    @model_validator(mode="before")
    @classmethod
    def _labelled(cls, data: Any) -> Any:
        """Leave out a description, and `strict`: an answer always is of its schema."""
        if isinstance(data, dict) and isinstance(data.get("description"), str):
            data = {key: value for key, value in data.items() if key != "description"}
        return without(data, {"description": (), "strict": [True, False]})


class AnswerFormat(Config):
    """The form of an answer as chat completions have it."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _whole(self) -> "AnswerFormat":
        if (self.json_schema is None) == (self.type == "json_schema"):
            raise ValueError("json_schema: expected beside type json_schema, and only there")
        return self

    @property
    def asked(self) -> Mapping[str, Any] | None:
        """The JSON Schema of an answer; None where it is free."""
        if self.json_schema is not None:
            return self.json_schema.schema_
        return {"type": "object"} if self.type == "json_object" else None


class TextJob(NamedTuple):
    """Rows to be written, and where their texts end."""

    rows: list[Row]
    stop: tuple[str, ...]
    answers: int
    """The rows of each prompt."""
    tools: Tools = Tools()

    def usage(self) -> dict[str, Any]:
        """Return the numbers of tokens in OpenAI's form; a prompt counts once."""
        first = self.rows[:: self.answers]
        prompt = sum(row.given for row in first)
        written, cached = sum(len(row.ids) for row in self.rows), sum(row.hit for row in first)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "total_tokens": prompt + written,
            "prompt_tokens_details": {"cached_tokens": cached},
        }


def talk(
    served: Served,
    ask: TextAsk,
    turns: Sequence[Message | Said],
    top: int | None = None,
    tools: Tools = Tools(),
    schema: Mapping[str, Any] | None = None,
) -> TextJob:
    """Return the job that answers a conversation. Takes time: call it in a thread.

    `top` asks for log-probabilities, `schema` for JSON of a JSON Schema.
    """
    model = served.model
    most = ask.most(served, model.defaults.get("max_new_tokens", served.settings.max_new_tokens))
    source = tools.grammar if schema is None else json_grammar(schema)
    if schema is not None and tools.functions:
        raise ApiError("tools: not beside an answer of a given form", param="tools")
    if source is not None and ask.stop:
        raise ApiError("stop: an answer of a given form ends where it is whole; leave stop out", param="stop")
    chat = model.conversation(most, ask.stop, **ask.options(served))
    chat.history = messages(messages_of(model, turns, tools))
    chat.tools = [] if by_rows(model) else tools.tables
    request = chat.asked(ask.n, whole=True)
    made = rows(model.config, request, top)
    if source is not None:
        for row in made:
            row.grammar = Grammar(source, model.tokenizer, request.stop_ids)
    once = tools.functions and not tools.must and not tools.parallel
    return TextJob(made, (*ask.stop, CLOSE) if once else ask.stop, ask.n, tools)


def look(
    served: Served, ask: TextAsk, turns: Sequence[Said], pictures: Sequence[str], top: int | None = None
) -> TextJob:
    """Return the job that answers one turn about one picture, a `data:` address. Takes time: call it in a thread."""
    model, most = served.model, ask.most(served, served.settings.max_new_tokens)
    if len(turns) != 1 or turns[0].role != "user" or len(pictures) != 1:
        found = f"{len(turns)} messages and {len(pictures)} pictures"
        raise ApiError(f"messages: expected one of the user with one picture in it, found {found}", param="messages")
    options = ask.options(served)
    try:
        seen = model.see([unpacked(pictures[0])])
    except (ValueError, DataError) as wrong:
        raise ApiError(f"image_url: {wrong}", param="messages") from None
    before = asked(model.layout(), seen, turns[0].text)
    request = model.request(before * ask.n, most, ask.stop, pictures=seen * ask.n, **options)
    return TextJob(rows(model.config, request, top), ask.stop, ask.n)


def check(job: TextJob, texts: Mapping[int, str]) -> None:
    """Read finished answers, by their rows, once more; an ApiError tells of one that is not of the form asked for."""
    for row, text in ((job.rows[at], text) for at, text in texts.items()):
        if row.grammar is not None and row.reason == "stop" and not row.grammar.fits(text):
            raise ApiError("the model has written an answer that is not of the form asked for", 500)


def go_on(
    served: Served, ask: TextAsk, prompts: Sequence[str | Sequence[int]], usual: int, top: int | None = None
) -> TextJob:
    """Return the job that continues prompts, each a text or ids. Takes time: call it in a thread."""
    model, most, options = served.model, ask.most(served, usual), ask.options(served, len(prompts))
    ids = [model.encode(prompt) if isinstance(prompt, str) else list(prompt) for prompt in prompts]
    for row in ids:
        room = served.context - (0 if model.config.encoder is not None else len(row))
        if len(row) > served.context or room < (1 if ask.max_tokens is None else most):
            raise ContextExceeded(
                f"the model reads at most {served.context:,} tokens; the prompt has {len(row):,}, and "
                f"{most:,} new ones are asked for: shorten it, or set max_tokens"
            )
        most = min(most, room)
    each = [row for row in ids for _ in range(ask.n)]
    request = model.usual(each, most, most, ask.stop, **options)
    return TextJob(rows(model.config, request, top), ask.stop, ask.n)
