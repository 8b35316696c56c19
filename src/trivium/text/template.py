"""The chat template: a conversation becomes ids and loss mask in one act.

    <s> <|user|> What does abs do? <|end|> <|assistant|> It returns the absolute value. <|end|>

Role markers are control tokens alone: no literal text touches content, so encoding piece by piece is encoding the
rendered string, and a prompt is an exact prefix of the conversation it begins. Content is encoded as ordinary text
and the markers are appended as integers, so no text can forge one. Training, evaluation, chat and server all render
here. `CHAT_TEMPLATE` says the same to stock transformers.

It refuses to know about rows, files and objectives.
"""

from collections.abc import Iterable, Sequence

from trivium.base.errors import DataError
from trivium.base.types import Message, Segment
from trivium.text.tokenizer import Tokenizer

BEGIN, END = "<s>", "<|end|>"
MARKERS = {"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>"}

CHAT_TEMPLATE = """\
{{- '<s>' -}}
{%- for message in messages -%}
{%- if message['role'] not in ['system', 'user', 'assistant'] -%}
{{- raise_exception('unknown role: ' + message['role']) -}}
{%- endif -%}
{{- '<|' + message['role'] + '|>' -}}
{%- if message['role'] == 'assistant' -%}
{%- generation -%}
{{- message['content'] + '<|end|>' -}}
{%- endgeneration -%}
{%- else -%}
{{- message['content'] + '<|end|>' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|assistant|>' -}}
{%- endif -%}
"""


def render(messages: Sequence[Message], tokenizer: Tokenizer, generate: bool = False) -> list[Segment]:
    """Render a conversation; with `generate` it ends where the assistant is to speak.

    What the assistant says is trained together with its end token, unless `Message.train` decides otherwise;
    markers never are. A role that is not system, user or assistant is a DataError.
    """
    if missing := [name for name in (BEGIN, END, *MARKERS.values()) if name not in tokenizer]:
        raise DataError(
            f"the tokenizer has no {', '.join(missing)}: expected a tokenizer trained by Trivium; "
            "conversations need its role tokens"
        )
    end = tokenizer.id_of(END)
    segments = [Segment((tokenizer.id_of(BEGIN),), train=False)]
    for message in messages:
        if message.role not in MARKERS:
            raise DataError(f"unknown role {message.role!r}: expected one of {', '.join(MARKERS)}")
        train = message.role == "assistant" if message.train is None else message.train
        segments.append(Segment((tokenizer.id_of(MARKERS[message.role]),), train=False, role=message.role))
        segments.append(Segment((*tokenizer.encode(message.content), end), train=train, role=message.role))
    if generate:
        segments.append(Segment((tokenizer.id_of(MARKERS["assistant"]),), train=False, role="assistant"))
    return segments


def ids(segments: Iterable[Segment]) -> list[int]:
    """The ids of segments, joined."""
    return [index for segment in segments for index in segment.ids]


def stop_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The ids that end an answer: the end of the turn, and the end of the text."""
    stops = (tokenizer.id_of(END) if END in tokenizer else None, tokenizer.vocabulary.eos)
    return tuple(dict.fromkeys(stop for stop in stops if stop is not None))
