"""The chat template: a conversation becomes ids and loss mask in one act.

    <s> <|user|> What does abs do? <|end|> <|assistant|> It returns the absolute value. <|end|>

Role markers of our own template are control tokens alone: no literal text touches content, so encoding piece by piece
is encoding the rendered string, and a prompt is an exact prefix of the conversation it begins. Content is encoded as
ordinary text and the markers are appended as integers, so no text can forge one. The other kinds, and whatever stands
in a foreign model's folder, are templates in Jinja, for which `jinja` keeps the same promises.

A model's template travels in its folder as the tokenizer's. Training, evaluation, chat and server all render here.
It refuses to know about rows, files and objectives.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from trivium.base.config import Choice
from trivium.base.errors import ConfigError, DataError
from trivium.base.types import Message, Segment
from trivium.token import jinja
from trivium.token.tokenizer import Tokenizer

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


class Template(Choice):
    """A way of writing a conversation down."""

    kinds: ClassVar[dict[str, type["Template"]]]
    needs: ClassVar[tuple[str, ...]] = ()
    """The tokens that a tokenizer must have for it."""

    @property
    def source(self) -> str:
        """The template in Jinja, as it stands in a model folder."""
        raise NotImplementedError


class Trivium(Template, kind="trivium"):
    """Our own: role markers are control tokens alone."""

    needs: ClassVar[tuple[str, ...]] = (BEGIN, END, *MARKERS.values())

    @property
    def source(self) -> str:
        return CHAT_TEMPLATE


class ChatML(Template, kind="chatml"):
    """`<|im_start|>user`, a line end, what is said, `<|im_end|>`."""

    needs: ClassVar[tuple[str, ...]] = ("<|im_start|>", "<|im_end|>")

    @property
    def source(self) -> str:
        return (
            "{%- for message in messages -%}"
            "{{- '<|im_start|>' + message['role'] + '\\n' -}}"
            "{%- if message['role'] == 'assistant' -%}"
            "{%- generation -%}{{- message['content'] + '<|im_end|>' -}}{%- endgeneration -%}"
            "{%- else -%}{{- message['content'] + '<|im_end|>' -}}{%- endif -%}"
            "{{- '\\n' -}}"
            "{%- endfor -%}"
            "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
        )


class Llama3Template(Template, kind="llama3"):
    """Llama 3's headers; what is said is stripped of the white space around it."""

    needs: ClassVar[tuple[str, ...]] = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")

    @property
    def source(self) -> str:
        return (
            "{{- '<|begin_of_text|>' -}}"
            "{%- for message in messages -%}"
            "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' -}}"
            "{%- if message['role'] == 'assistant' -%}"
            "{%- generation -%}{{- message['content'] | trim + '<|eot_id|>' -}}{%- endgeneration -%}"
            "{%- else -%}{{- message['content'] | trim + '<|eot_id|>' -}}{%- endif -%}"
            "{%- endfor -%}"
            "{%- if add_generation_prompt -%}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}{%- endif -%}"
        )


class Plain(Template, kind="plain"):
    """For tokenizers without role tokens: names as text, and the end of a text as the end of an answer."""

    @property
    def source(self) -> str:
        return (
            "{%- if bos_token is defined -%}{{- bos_token -}}{%- endif -%}"
            "{%- for message in messages -%}"
            "{{- message['role'] | capitalize + ':\\n' -}}"
            "{%- if message['role'] == 'assistant' -%}"
            "{%- generation -%}{{- message['content'] + (eos_token or sep_token) -}}{%- endgeneration -%}"
            "{%- else -%}{{- message['content'] -}}{%- endif -%}"
            "{{- '\\n\\n' -}}"
            "{%- endfor -%}"
            "{%- if add_generation_prompt -%}{{- 'Assistant:\\n' -}}{%- endif -%}"
        )


class Bare(Template, kind="bare"):
    """Nothing but what is said, for models that read in an encoder and write in a decoder: as they were pretrained.

    The encoder reads the turns, a line each, up to the end token; the decoder writes the answer up to it.
    """

    begin: bool = True
    """Whether a text begins with BOS, as BART's does and T5's does not."""

    @property
    def source(self) -> str:
        return (
            ("{%- set bos = bos_token or cls_token -%}{%- if bos -%}{{- bos -}}{%- endif -%}" if self.begin else "")
            + "{%- set eos = eos_token or sep_token -%}"
            "{%- for message in messages -%}"
            "{%- if message['role'] == 'assistant' and loop.last -%}"
            "{{- eos -}}{%- generation -%}{{- message['content'] + eos -}}{%- endgeneration -%}"
            "{%- else -%}"
            "{{- ('' if loop.first else '\\n') + message['content'] -}}"
            "{%- endif -%}"
            "{%- endfor -%}"
            "{%- if add_generation_prompt -%}{{- eos -}}{%- endif -%}"
        )


class Jinja(Template, kind="jinja"):
    """A template of one's own: a file, in Hugging Face's conventions."""

    path: str

    @property
    def source(self) -> str:
        try:
            return Path(self.path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as failed:
            raise ConfigError(f"template: {self.path}: cannot read: {failed}") from None


def dress(tokenizer: Tokenizer, template: Template) -> Tokenizer:
    """The tokenizer with another template, which travels with it; one whose tokens it has not is a DataError."""
    if missing := [name for name in template.needs if name not in tokenizer]:
        raise DataError(
            f"template {template.kind}: the tokenizer has no {', '.join(missing)}; take another template, "
            f"a model whose tokenizer has them, or add them: tokens={json.dumps(missing)}"
        )
    return Tokenizer(tokenizer.json, tokenizer.config, template.source)


def source(tokenizer: Tokenizer) -> str:
    """The template of a tokenizer: its own, else ours if it has our markers, else plain text."""
    if tokenizer.chat_template:
        return tokenizer.chat_template
    return Plain().source if any(name not in tokenizer for name in Trivium.needs) else CHAT_TEMPLATE


def render(messages: Sequence[Message], tokenizer: Tokenizer, generate: bool = False) -> list[Segment]:
    """Render a conversation by the tokenizer's template; with `generate` it ends where the assistant is to speak.

    What the assistant says is trained together with its end token, unless `Message.train` decides otherwise;
    markers never are. What the template refuses (a role, an order of turns) is a DataError.
    """
    text = source(tokenizer)
    if text != CHAT_TEMPLATE:
        return jinja.script(text, tokenizer).render(messages, generate)
    if missing := [name for name in Trivium.needs if name not in tokenizer]:
        raise DataError(f"the tokenizer has no {', '.join(missing)}, but its chat template needs them")
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


def differences(tokenizer: Tokenizer) -> list[str]:
    """What stock rendering does with some contents and rendering here does not, one a line; none is as it should be."""
    text = source(tokenizer)
    return [] if text == CHAT_TEMPLATE else jinja.script(text, tokenizer).differences()


def end_id(tokenizer: Tokenizer) -> int | None:
    """The id that ends an answer; None where the template cannot be used, which rendering will tell."""
    text = source(tokenizer)
    if text == CHAT_TEMPLATE:
        return tokenizer.id_of(END) if END in tokenizer else None
    if tokenizer.chat_template is None:  # plain text ends as texts end
        return tokenizer.vocabulary.eos
    try:
        return jinja.script(text, tokenizer).end
    except DataError:
        return None


def stop_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The ids that end an answer: the end of the turn, and the end of the text."""
    stops = (end_id(tokenizer), tokenizer.vocabulary.eos)
    return tuple(dict.fromkeys(stop for stop in stops if stop is not None))
