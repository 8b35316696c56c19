"""The chat template: a conversation becomes ids and loss mask in one act.

    <s> <|user|> What does abs do? <|end|> <|assistant|> It returns the absolute value. <|end|>

The role markers of the `trivium` template are special tokens alone. Therefore encoding the parts equals encoding the
rendered string, and a prompt is an exact prefix of the conversation that it begins. Content is encoded as ordinary text
and markers are appended as integers, so no text can forge one. All other templates are Jinja: see `jinja`.

The template of a model travels in its folder as the tokenizer's. Training, evaluation, chat and server all render here.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar

from trivium.base.config import Choice
from trivium.base.errors import ConfigError, DataError
from trivium.base.types import Message, Segment
from trivium.token import jinja
from trivium.token.folder import DEFAULT
from trivium.token.frame import Frame, read_frame
from trivium.token.role import check_role
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


def _turns(before: str, header: str, answer: str, other: str, after: str, prompt: str) -> str:
    """Return a Jinja template from its expressions: header and content of each turn, `prompt` before an answer."""

    def out(expression: str) -> str:
        return "{{- " + expression + " -}}"

    turn = "{%- if message['role'] == 'assistant' -%}{%- generation -%}" + out(answer)
    turn += "{%- endgeneration -%}{%- else -%}" + out(other) + "{%- endif -%}"
    turns = "{%- for message in messages -%}" + out(header) + turn + after + "{%- endfor -%}"
    return before + turns + "{%- if add_generation_prompt -%}" + out(prompt) + "{%- endif -%}"


class Template(Choice):
    """A form of writing a conversation."""

    kinds: ClassVar[dict[str, type["Template"]]]
    needs: ClassVar[tuple[str, ...]] = ()
    """The tokens that a tokenizer must have for it."""

    @classmethod
    def modern(cls, table: dict[str, Any]) -> dict[str, Any]:
        """Read `bare` of format 1, where `begin` told whether BOS stands in front; that is the model's frame now."""
        return {key: value for key, value in table.items() if key != "begin"} if table.get("kind") == "bare" else table

    @property
    def source(self) -> str:
        """The template in Jinja, as it stands in a model folder."""
        raise NotImplementedError

    def text(self, tokenizer: Tokenizer) -> str:
        """Return the template for a tokenizer."""
        return self.source


class Trivium(Template, kind="trivium"):
    """The template of this project: role markers are special tokens alone."""

    needs: ClassVar[tuple[str, ...]] = (BEGIN, END, *MARKERS.values())

    @property
    def source(self) -> str:
        return CHAT_TEMPLATE


class ChatML(Template, kind="chatml"):
    """`<|im_start|>user`, a line end, the content, `<|im_end|>`."""

    needs: ClassVar[tuple[str, ...]] = ("<|im_start|>", "<|im_end|>")

    @property
    def source(self) -> str:
        said, header = "message['content'] + '<|im_end|>'", "'<|im_start|>' + message['role'] + '\\n'"
        return _turns("", header, said, said, "{{- '\\n' -}}", "'<|im_start|>assistant\\n'")


class Llama3Template(Template, kind="llama3"):
    """The headers of Llama 3; white space around the content is stripped."""

    needs: ClassVar[tuple[str, ...]] = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")

    @property
    def source(self) -> str:
        said = "message['content'] | trim + '<|eot_id|>'"
        header = "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'"
        prompt = "'<|start_header_id|>assistant<|end_header_id|>\\n\\n'"
        return _turns("{{- '<|begin_of_text|>' -}}", header, said, said, "", prompt)


class Plain(Template, kind="plain"):
    """For tokenizers without role tokens: roles are plain text, and EOS ends an answer."""

    @property
    def source(self) -> str:
        begin, header = "{%- if bos_token is defined -%}{{- bos_token -}}{%- endif -%}", "message['role'] | capitalize"
        said = "message['content']"
        answer = f"{said} + (eos_token or sep_token)"
        return _turns(begin, f"{header} + ':\\n'", answer, said, "{{- '\\n\\n' -}}", "'Assistant:\\n'")


class Bare(Template, kind="bare"):
    """The content alone, as stock users ask T5 and BART: a prompt is what the tokenizer makes of its text.

    The encoder reads the turns, a line each, between special tokens; the decoder writes the answer up to EOS.
    """

    before: str | None = None
    """The special tokens before what is read; None are those that the tokenizer adds."""
    after: str | None = None
    """The special tokens after what is read; None are those that the tokenizer adds."""

    @property
    def source(self) -> str:
        before, after = ("{{- " + json.dumps(some) + " -}}" if some else "" for some in (self.before, self.after))
        return (
            f"{before}{{%- for message in messages -%}}"
            "{%- if message['role'] == 'assistant' and loop.last -%}"
            + after
            + "{%- generation -%}{{- message['content'] + (eos_token or sep_token) -}}{%- endgeneration -%}"
            "{%- else -%}"
            "{{- ('' if loop.first else '\\n') + message['content'] -}}"
            "{%- endif -%}"
            "{%- endfor -%}"
            "{%- if add_generation_prompt -%}" + after + "{%- endif -%}"
        )


class Jinja(Template, kind="jinja"):
    """A template file of the user, in Hugging Face's conventions."""

    path: str

    @property
    def source(self) -> str:
        try:
            return Path(self.path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as failed:
            raise ConfigError(f"template: {self.path}: cannot read: {failed}") from None


class Named(Template, kind="named"):
    """One of the templates of the model's folder: `default`, or a name of its list."""

    name: str

    def text(self, tokenizer: Tokenizer) -> str:
        own = {DEFAULT: tokenizer.chat_template} if tokenizer.chat_template else {}
        known = {**tokenizer.chat_templates, **own}
        if self.name not in known:
            has = f"it has {', '.join(sorted(known))}" if known else "it has none"
            raise DataError(f"template {self.name!r}: the model's folder has no chat template of this name; {has}")
        return known[self.name]


def with_template(tokenizer: Tokenizer, template: Template) -> Tokenizer:
    """Return the tokenizer with another template; a DataError if it lacks a token that the template needs."""
    if missing := [name for name in template.needs if name not in tokenizer]:
        raise DataError(
            f"template {template.kind}: the tokenizer has no {', '.join(missing)}; take another template, "
            f"a model whose tokenizer has them, or add them: tokens={json.dumps(missing)}"
        )
    return tokenizer.replace(chat_template=template.text(tokenizer))


def source(tokenizer: Tokenizer) -> str:
    """Return the template of a tokenizer: its own, else `trivium` if it has the markers, else `plain`.

    A DataError where its folder has several by name, and no default.
    """
    if tokenizer.chat_template:
        return tokenizer.chat_template
    if names := ", ".join(sorted(tokenizer.chat_templates)):
        raise DataError(f"the model's folder has the chat templates {names} and no default; pick one: --template NAME")
    return Plain().source if any(name not in tokenizer for name in Trivium.needs) else CHAT_TEMPLATE


def render(
    messages: Sequence[Message], tokenizer: Tokenizer, generate: bool = False, tools: Sequence[Mapping[str, Any]] = ()
) -> list[Segment]:
    """Render a conversation by the tokenizer's template; with `generate` it ends where the assistant is to answer.

    Answers are trained together with their end token, unless `Message.train` decides otherwise; markers never are.
    `tools` are what the model may call, for a Jinja template that tells of them. Raises DataError for a role that is
    none of `role.ROLES`, and for a role or an order of turns that the template refuses.
    """
    for message in messages:
        check_role(message.role)
    text = source(tokenizer)
    if text != CHAT_TEMPLATE:
        return jinja.script(text, tokenizer).render(messages, generate, tools)
    if missing := [name for name in Trivium.needs if name not in tokenizer]:
        raise DataError(f"the tokenizer has no {', '.join(missing)}, but its chat template needs them")
    end = tokenizer.id_of(END)
    parts: list[tuple[list[str | int], bool, str]] = [([tokenizer.id_of(BEGIN)], False, "")]
    for message in messages:
        if message.role not in MARKERS:
            raise DataError(f"unknown role {message.role!r}: expected one of {', '.join(MARKERS)}")
        train = message.role == "assistant" if message.train is None else message.train
        parts.append(([tokenizer.id_of(MARKERS[message.role])], False, message.role))
        parts.append(([message.content, end], train, message.role))
    if generate:
        parts.append(([tokenizer.id_of(MARKERS["assistant"])], False, "assistant"))
    found = iter(tokenizer.join([one for some, _, _ in parts for one in some]))
    return [Segment(tuple(chain(*islice(found, len(some)))), train, role) for some, train, role in parts]


def asked_by_template(record: Mapping[str, Any]) -> bool:
    """Return whether a model with this record in trivium.json was tuned on conversations, by the folder's template."""
    recipe = record.get("recipe") or {}
    return (recipe.get("objective") or {}).get("kind") == "instruct"


def framed(tokenizer: Tokenizer) -> bool:
    """Return whether a question alone is rendered as the tokenizer encodes its text with the tokens that it adds."""
    frame = read_frame(tokenizer) or Frame()
    try:
        asked = ids(render([Message("user", "a")], tokenizer, generate=True))
    except DataError:
        return False
    return asked == frame.lay([tokenizer.encode("a")])[0].tolist()


def unwritten(messages: Sequence[Message], tokenizer: Tokenizer) -> int:
    """Return how many messages have a reasoning that the template does not write."""
    text, thinking = source(tokenizer), sum(bool(message.reasoning) for message in messages)
    return thinking if not thinking or text == CHAT_TEMPLATE else jinja.script(text, tokenizer).unwritten(messages)


def ids(segments: Iterable[Segment]) -> list[int]:
    """Return the ids of all segments."""
    return [index for segment in segments for index in segment.ids]


def differences(tokenizer: Tokenizer) -> list[str]:
    """Return a line for each sample content that stock tools render differently; an empty list is the good case."""
    text = source(tokenizer)
    return [] if text == CHAT_TEMPLATE else jinja.script(text, tokenizer).differences()


def end_id(tokenizer: Tokenizer) -> int | None:
    """Return the id that ends an answer; None where the template cannot be used, which rendering reports."""
    try:
        text = source(tokenizer)
        if text == CHAT_TEMPLATE:
            return tokenizer.id_of(END) if END in tokenizer else None
        if tokenizer.chat_template is None:  # `plain` ends an answer with EOS
            return tokenizer.vocabulary.eos
        return jinja.script(text, tokenizer).end
    except DataError:
        return None


def begins_turns(tokenizer: Tokenizer) -> bool:
    """Return whether the template writes BOS at more turns than the first, as SmolLM2's does."""
    turns = [Message(role, "x") for role in jinja.PROBE]
    return ids(render(turns, tokenizer)).count(tokenizer.vocabulary.bos) > 1  # type: ignore[arg-type]


def stop_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return the ids that end an answer: the end of the turn, and EOS."""
    stops = (end_id(tokenizer), tokenizer.vocabulary.eos)
    return tuple(dict.fromkeys(stop for stop in stops if stop is not None))
