"""A model in a few names: load or build it, compute with it, generate, save.

m = trivium.load("folder")
m = trivium.build("llama", layers=6, hidden_size=384, heads=6)
m.generate("Once upon a time")
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor

from trivium.base import plugin
from trivium.base.config import dump
from trivium.base.errors import ModelError
from trivium.base.log import waiting
from trivium.base.types import Message, Patches, Vocabulary
from trivium.image.processor import PROCESSOR
from trivium.infer.beam import decoding_of
from trivium.infer.chat import Chat, messages
from trivium.infer.generate import Generation, WritingModel, generate
from trivium.infer.kept import KeptEngine
from trivium.infer.padding import Ids, agree, batched, rows_of
from trivium.infer.read import ReadingModel, asked
from trivium.infer.request import Request
from trivium.infer.weights import keep
from trivium.infer.write import write
from trivium.interop import equip, hub
from trivium.interop.adapter.save import save_adapter
from trivium.interop.beside.generation import NOWHERE, UNSAID
from trivium.model.config import configure
from trivium.model.device import evaluating
from trivium.model.transformer import Transformer
from trivium.token import template
from trivium.token.frame import Frame, frame_of, stated, with_frame
from trivium.token.layout import Layout
from trivium.token.template import Named, asked_by_template, with_template
from trivium.token.tokenizer import Tokenizer

Prompts = TypeVar("Prompts", str, list[str], list[int], list[list[int]])
Stop, Count = str | Sequence[str] | None, int | None


class Model(ReadingModel, WritingModel):
    """A config, a tokenizer and a transformer, and what they do together."""

    def __init__(
        self,
        transformer: Transformer,
        tokenizer: Tokenizer | None = None,
        stop_ids: Sequence[int] | None = None,
        record: Mapping[str, Any] | None = None,
        start: int | None = None,
        forced: Mapping[str, int] | None = None,
        name: str = "this model",
    ) -> None:
        """Join the parts; without a tokenizer the model takes ids only.

        `stop_ids` end a text (None: the tokenizer's). `record` is kept in trivium.json. `start` is the first id of the
        decoder beside an encoder (None: pad). `forced` has the `first` and `last` id of a text. `name` is in errors.
        """
        self.transformer, self.record, self.name = transformer, dict(record or {}), name
        self.start, self.forced, self._tokenizer, self._kept = start, dict(forced or {}), tokenizer, KeptEngine()
        own = template.stop_ids(tokenizer) if tokenizer else ()
        self.stop_ids = tuple(own if stop_ids is None else stop_ids)
        self.defaults = {}
        self.exact = False  # whether a text must not depend on those beside it, where a call does not say

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer; ModelError without one. A tokenizer that is set adds its stop ids to the model's."""
        if self._tokenizer is None:
            raise ModelError(f"{self.name} has no tokenizer (no tokenizer.json): give ids, or set model.tokenizer")
        return self._tokenizer

    @tokenizer.setter
    def tokenizer(self, tokenizer: Tokenizer | None) -> None:
        self._tokenizer = tokenizer
        self.stop_ids = tuple(dict.fromkeys((*self.stop_ids, *(template.stop_ids(tokenizer) if tokenizer else ()))))

    @property
    def vocabulary(self) -> Vocabulary:
        """What is known of the tokens; a model that reads pictures alone has none."""
        alone = self._tokenizer is None and self.config.pictures is not None
        return Vocabulary(0, pad=0) if alone else self.tokenizer.vocabulary

    def hidden(
        self,
        input_ids: Ids | None = None,
        attention_mask: Ids | None = None,
        decoder_input_ids: Ids | None = None,
        token_type_ids: Ids | None = None,
        pixel_values: Any = None,
    ) -> Float[Tensor, "B T D"]:
        """Return the last hidden states, of the decoder where there is one.

        `attention_mask` is 1 for tokens and 0 for padding. As in the stock classes, positions count columns, padding
        included; `generate` counts tokens. `pixel_values` [B, C, H, W] are of a model that reads pictures. ModelError
        names an argument that the model cannot read.
        """
        sides = input_ids, attention_mask, decoder_input_ids, token_type_ids, pixel_values
        batch = batched(self.transformer, *sides)
        with evaluating(self.transformer):
            return self.transformer(batch)

    def logits(
        self,
        input_ids: Ids | None = None,
        attention_mask: Ids | None = None,
        decoder_input_ids: Ids | None = None,
        token_type_ids: Ids | None = None,
        pixel_values: Any = None,
    ) -> Float[Tensor, "B T V"]:
        """Return the logits over the vocabulary, float32; arguments as in `hidden`."""
        hidden = self.hidden(input_ids, attention_mask, decoder_input_ids, token_type_ids, pixel_values)
        with evaluating(self.transformer):
            return self.transformer.logits(hidden)

    def generate(
        self,
        prompts: Prompts = cast(Any, None),
        max_new_tokens: Count = None,
        stop: Stop = None,
        num_beams: Count = None,
        images: Sequence[Any] | None = None,
        **options: Any,
    ) -> Prompts:
        """Continue prompts: a text or a list of texts gives the same of texts, ids give ids, without the prompts.

        A text gets the special tokens that its tokenizer adds. `stop` texts are cut off. A model with an encoder reads
        the prompts there; one that was tuned is asked as its rows were: see `encode`. Of a model that reads pictures
        `images` (see `image.read`) gives a list of texts; the prompts are questions about them. Options: see `request`;
        the folder's own hold where they are not given.
        """
        pictures = None if images is None else self.see(images)
        single, rows = (
            rows_of(prompts) if pictures is None else (False, asked(self.layout(), pictures, cast(Any, prompts)))
        )
        texts = pictures is not None or (bool(rows) and isinstance(rows[0], str))
        ids = [self.encode(row) for row in rows] if texts and pictures is None else rows
        num_beams = self.beams(num_beams, stop, options)
        request = self.usual(ids, max_new_tokens, 64, stop, num_beams, pictures, **options)
        found: list[Any] = [""] * len(rows)
        if texts and num_beams == 1:
            for row, piece in write(Generation(self.transformer, request), self.tokenizer):
                found[row] += piece
        else:
            found = [list(completion.ids) for completion in generate(self.transformer, request)]
            found = [self.tokenizer.decode(one, skip_special=True) for one in found] if texts else found
        return cast(Prompts, found[0] if single else found)

    def stream(
        self, prompt: str = "", max_new_tokens: Count = None, stop: Stop = None, image: Any = None, **options: Any
    ) -> Iterator[str]:
        """Continue one text, or write of one picture, piece by piece; options as in `generate`, without beam search."""
        pictures = None if image is None else self.see([image])
        one = [self.encode(prompt)] if pictures is None else asked(self.layout(), pictures, prompt)
        request = self.usual(one, max_new_tokens, 64, stop, pictures=pictures, **options)
        return (piece for _, piece in write(Generation(self.transformer, request), self.tokenizer))

    def conversation(
        self, max_new_tokens: Count = None, stop: Stop = None, system: str | None = None, **options: Any
    ) -> Chat:
        """Begin a conversation; options as in `stream`."""
        begin = self._begin if self.config.family == "encoder_decoder" else None
        request = self.usual((), max_new_tokens, 256, stop, **options)
        prefix = self.record.get("prefix", "")
        return Chat(self.transformer, self.tokenizer, request, system, begin, prefix, self._kept)

    def chat(self, messages_: Sequence[Message | dict[str, str]], max_new_tokens: Count = None, **options: Any) -> str:
        """Answer a conversation, a list of `{"role": ..., "content": ...}`; options as in `stream`."""
        chat = self.conversation(max_new_tokens, **options)
        chat.history = messages(messages_)
        return "".join(chat.answer())

    def request(
        self,
        ids: Sequence[list[int]],
        max_new_tokens: int = 64,
        stop: Stop = None,
        num_beams: int = 1,
        pictures: Sequence[Patches] | None = None,
        **options: Any,
    ) -> Request:
        """Return the request that continues rows of ids, or answers them where an encoder reads them.

        An encoder of pictures reads `pictures`, and the decoder continues the ids (see `infer.picture.asked`).

        Options are the fields of `Sampling` (temperature, top_k, top_p, min_p, seed), or with `num_beams` above 1 of
        `Beam` (length_penalty, early_stopping), and repetition_penalty, no_repeat_ngram, min_new_tokens; `first` and
        `last` replace the ids that the folder forces (None: none). `exact`: see the engine. Errors name wrong options.
        """
        exact, size = options.pop("exact", self.exact), self._tokenizer.size if self._tokenizer else None
        decoding = decoding_of(num_beams, options, self.forced)
        agree(self.config, self.name, pictures is not None)
        both = self.config.family == "encoder_decoder" and pictures is None
        prompts, sources = ([[self._begin] for _ in ids], ids) if both else (ids, pictures)
        strings = (stop,) if isinstance(stop, str) else tuple(stop or ())
        return Request(prompts, sources, decoding, max_new_tokens, self.stop_ids, strings, exact, size)

    def equip(self, kind: str, labels: Sequence[str] = (), **choices: Any) -> None:
        """Put the head of a task on the model (`classify`, `tag`, `span` or `embed`), and the frame of its texts."""
        head = equip.head(self.config, self.vocabulary, kind, tuple(labels), **choices)
        if self.config.pictures:  # there are no texts to frame
            self.transformer = equip.equip(self.transformer, head)
            return
        frame, eos = self.layout().frame, self.tokenizer.vocabulary.eos
        if not frame.between and eos is not None:  # the new head is to know where the second text begins
            frame = frame._replace(between=(eos,))
        self._tokenizer = with_frame(self.tokenizer, frame)
        self.transformer = equip.equip(self.transformer, head)

    def layout(self, length: int | None = None) -> Layout:
        """Return how the model reads whole texts: frame and length, the context unless `data.length` gave one."""
        config, picture = self.config, self.reader if self.config.pictures else None
        most = min(config.context, config.limit or config.context)
        if config.pictures and self._tokenizer is None:
            return Layout(cast(Tokenizer, None), Frame(), config.family, length or most, picture=picture)
        tokenizer = self.tokenizer
        types = bool(getattr(config.embed, "types", 0))
        start = self._begin if config.family == "encoder_decoder" else 0
        frame = frame_of(tokenizer, config.family, start == tokenizer.vocabulary.pad, types)
        wrap = bool(getattr(config.head, "wrap", False))
        seen = picture, config.placeholder, self.forced.get("first")
        return Layout(tokenizer, frame, config.family, min(length or most, most), start, types, wrap, most, *seen)

    def encode(self, text: Any) -> list[int]:
        """Return the ids that the first stack reads of a prompt, with the special tokens that its tokenizer adds.

        An encoder-decoder tuned in words is asked as its rows were: by its chat template, behind the rows' prefix.
        """
        if not isinstance(text, str):
            raise ModelError(f"prompts: expected texts only or ids only, found {type(text).__name__} among texts")
        if self.config.family == "encoder_decoder" and asked_by_template(self.record):
            asked = Message("user", text).behind(self.record.get("prefix", ""))
            return template.ids(template.render([asked], self.tokenizer, generate=True))
        return self.frame(self.tokenizer.encode(text))

    def frame(self, ids: Sequence[int]) -> list[int]:
        """Return the ids of a text between the special tokens of its tokenizer: see `token.frame`."""
        return self.layout().frame.lay([ids])[0].tolist()

    @property
    def _begin(self) -> int:
        wraps = getattr(self.config.head, "wrap", False)  # such a head asks no start
        if self.start == NOWHERE and not wraps:
            raise ModelError(f"{self.name}: {UNSAID}")
        return self.start if self.start is not None else self._tokenizer.vocabulary.pad if self._tokenizer else 0

    def save(self, folder: str | Path) -> Path:
        """Write a model folder, whole or not at all."""
        tokenizer = self._tokenizer
        if tokenizer and (self.config.family != "encoder_decoder" or self.start not in (None, NOWHERE)):
            tokenizer = stated(tokenizer, self.layout().frame)  # stock tools add the same special tokens
        seen = {PROCESSOR: dump(self.processor)} if self.config.pictures else {}
        record = {**self.record, **seen}
        parts = self.transformer, tokenizer, self.stop_ids, self.start, self.forced, record, self.defaults
        return hub.save(folder, hub.Folder(*parts))

    def save_adapter(self, folder: str | Path, base: str | Path = "") -> Path:
        """Write only the low-rank adapters, in peft's files; `base` is the model folder that they belong to."""
        return save_adapter(folder, self.transformer, base)


def load(
    folder: str | Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    imports: Sequence[str | Path] = (),
    template: str | None = None,
    weights: str | None = None,
    exact: bool = False,
) -> Model:
    """Load a Trivium or a supported Hugging Face folder; `imports` are Python files of your own kinds.

    `template` is the name of one of the folder's chat templates. `weights` (own, fp32, bf16, int8, auto: see
    `infer/weights`) is in place of `dtype`. `exact` is for all that the model writes.
    """
    plugin.load(imports, "load")
    with waiting(f"loading {folder}"):
        found = hub.load(folder, dtype if weights is None else None)
        transformer = keep(found.transformer.to(device), weights)
    model = Model(transformer, found.tokenizer, found.stop_ids, found.record, found.start, found.forced, str(folder))
    model.exact, model.defaults = exact, found.defaults
    if template is not None:
        model.tokenizer = with_template(model.tokenizer, Named(name=template))
    return model


def build(preset: str = "llama", **overrides: Any) -> Model:
    """Return a preset with random weights. A field of a stack (layers=, heads=, pattern=, ...) sets every stack."""
    return Model(Transformer(configure(preset, **overrides)).eval())
