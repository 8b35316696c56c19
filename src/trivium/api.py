"""A model in few names: load or build one, look at what it computes, let it write, save it.

m = trivium.load("folder")
m = trivium.build("llama", layers=6, hidden_size=384, heads=6)
m.generate("Once upon a time")
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor

from trivium.base import plugin
from trivium.base.batch import Batch, Stream
from trivium.base.config import dump, merge, parse
from trivium.base.errors import ConfigError, ModelError
from trivium.base.types import Message, Pooling
from trivium.infer.beam import Beam, search
from trivium.infer.chat import Chat, messages
from trivium.infer.encode import embed
from trivium.infer.fill import fill
from trivium.infer.generate import Generation, check
from trivium.infer.generate import generate as run_all
from trivium.infer.sampling import Sampling
from trivium.infer.score import scores
from trivium.infer.write import write
from trivium.interop import equip, hub
from trivium.interop.adapter import save_adapter
from trivium.model.config import ModelConfig
from trivium.model.layer.score import SequenceClassification
from trivium.model.presets import PRESETS
from trivium.model.stack import StackConfig
from trivium.model.transformer import Transformer
from trivium.token.frame import default_frame, read_frame, with_frame
from trivium.token.layout import Layout
from trivium.token.template import stop_ids
from trivium.token.tokenizer import Tokenizer

Prompts = TypeVar("Prompts", str, list[str], list[int], list[list[int]])
Ids = Tensor | Sequence[Sequence[int]]


class Model:
    """A config, a tokenizer (or None) and a transformer, with what one does to them."""

    def __init__(
        self,
        transformer: Transformer,
        tokenizer: Tokenizer | None = None,
        stops: Sequence[int] | None = None,
        record: Mapping[str, Any] | None = None,
        start: int | None = None,
        forced: Mapping[str, int] | None = None,
    ) -> None:
        """`stops` are the ids that end a text (None: the tokenizer's); `record` is kept in trivium.json; `start` is
        the id that the decoder beside an encoder begins with (None: pad); `forced` are the ids that stand `first` in
        what is generated and `last` where it becomes too long.
        """
        self.transformer, self.tokenizer, self.record = transformer, tokenizer, dict(record or {})
        self.start, self.forced = start, dict(forced or {})
        self.stops = tuple(stops if stops is not None else stop_ids(tokenizer) if tokenizer else ())

    @property
    def config(self) -> ModelConfig:
        """The model's config, frozen."""
        return self.transformer.config

    def hidden(
        self,
        input_ids: Ids,
        attention_mask: Ids | None = None,
        decoder_input_ids: Ids | None = None,
        token_type_ids: Ids | None = None,
    ) -> Float[Tensor, "B T D"]:
        """The last hidden states, of the decoder where there is one.

        `attention_mask` is 1 for tokens and 0 for padding. As in the stock classes, positions count columns, padding
        included; `generate` counts tokens.
        """
        device, config = self.transformer.tokens.weight.device, self.config
        main = self._stream(input_ids, attention_mask, token_type_ids, device)
        if config.encoder is None:
            batch = Batch(None, main, {})
        elif config.decoder is None:
            batch = Batch(main, None, {})
        elif decoder_input_ids is None:
            raise ModelError("decoder_input_ids: an encoder-decoder model needs them beside input_ids")
        else:
            batch = Batch(main, self._stream(decoder_input_ids, None, None, device), {})
        training = self.transformer.training
        try:
            with torch.no_grad():
                return self.transformer.eval()(batch)
        finally:
            self.transformer.train(training)

    def logits(
        self,
        input_ids: Ids,
        attention_mask: Ids | None = None,
        decoder_input_ids: Ids | None = None,
        token_type_ids: Ids | None = None,
    ) -> Float[Tensor, "B T V"]:
        """The scores over the vocabulary, float32; arguments as in `hidden`."""
        with torch.no_grad():
            return self.transformer.logits(self.hidden(input_ids, attention_mask, decoder_input_ids, token_type_ids))

    def _stream(self, ids: Ids, mask: Ids | None, types: Ids | None, device: torch.device) -> Stream:
        table = _table(ids, "input_ids", device)
        check(table.tolist(), self.config.vocab_size, self.config.limit)
        documents = torch.ones_like(table) if mask is None else _table(mask, "attention_mask", device)
        for name, other in (("attention_mask", documents), ("token_type_ids", types)):
            if other is not None and _table(other, name, device).shape != table.shape:
                raise ModelError(f"{name}: expected the shape {list(table.shape)} of input_ids")
        positions = torch.arange(table.shape[1], device=device).expand_as(table)
        kinds = None if types is None else _table(types, "token_type_ids", device)
        return Stream(table, positions, (documents != 0).long(), bool((documents != 0).all()), kinds)

    def generate(
        self,
        prompts: Prompts,
        max_new_tokens: int = 64,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        num_beams: int = 1,
        **beam: Any,
    ) -> Prompts:
        """Continue prompts: a text or a list of them gives the same of texts, ids give ids; prompts are not repeated.

        A text gets the tokenizer's BOS in front, once. `stop` texts are cut off and need a tokenizer. A model with an
        encoder reads the prompts there and writes what belongs to them. With `num_beams` > 1 the most likely text is
        searched for; `length_penalty`, `early_stopping` and `no_repeat_ngram` are infer/beam's. `first` and `last`
        are ids that stand at the ends, in place of the model's own (None: no such id).
        """
        if num_beams > 1:
            return self._search(prompts, num_beams, max_new_tokens, stop, beam)
        ends = {name: beam.pop(name) for name in ("first", "last") if name in beam}
        if beam:
            raise ConfigError(f"generate: {', '.join(beam)}: only with num_beams > 1")
        options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p, **ends}
        sampling = self._sample(**options, repetition_penalty=repetition_penalty, seed=seed)
        single, rows = _rows(prompts)
        texts = bool(rows) and isinstance(rows[0], str)
        if stop and not texts:
            raise ConfigError("stop: stop texts need prompts that are texts")
        ids = [self.encode(row) for row in rows] if texts else rows
        size = self.tokenizer.size if self.tokenizer else None
        ids, sources = self.sides(ids)
        if texts:
            run = Generation(self.transformer, ids, sampling, max_new_tokens, self.stops, size, sources)
            out = [""] * len(ids)
            for row, piece in write(run, self._need_tokenizer(), _texts(stop)):
                out[row] += piece
            return cast(Prompts, out[0] if single else out)
        done = run_all(self.transformer, ids, sampling, max_new_tokens, self.stops, size, sources)
        found = [list(completion.ids) for completion in done]
        return cast(Prompts, found[0] if single else found)

    def _search(self, prompts: Any, num_beams: int, max_new_tokens: int, stop: Any, options: dict[str, Any]) -> Any:
        if stop:
            raise ConfigError("stop: beam search knows stop ids only; leave stop out or take num_beams=1")
        single, rows = _rows(prompts)
        texts = bool(rows) and isinstance(rows[0], str)
        ids, sources = self.sides([self.encode(row) for row in rows] if texts else rows)
        size = self.tokenizer.size if self.tokenizer else None
        config = parse(Beam, {"beams": num_beams, **self.forced, **options}, "generate")
        found = search(self.transformer, ids, config, max_new_tokens, self.stops, size, sources)
        best = [hypotheses[0].ids for hypotheses in found]
        out = [self._need_tokenizer().decode(row, skip_special=True) for row in best] if texts else best
        return out[0] if single else out

    def fill(self, text: str, top: int = 5) -> list[list[tuple[str, float]]]:
        """What an encoder would put into each gap: (text, probability). A gap is `[MASK]` or the mask token."""
        tokenizer = self._need_tokenizer()
        mask = tokenizer.vocabulary.mask
        if mask is None:
            raise ModelError("this model's tokenizer has no mask token")
        parts = text.replace("[MASK]", tokenizer.token(mask)).split(tokenizer.token(mask))
        ids = tokenizer.encode(parts[0])
        for part in parts[1:]:
            ids += [mask, *tokenizer.encode(part)]
        guesses = fill(self.transformer, self.frame(ids), mask, top, tokenizer.size)
        return [[(tokenizer.decode([guess.id]), guess.probability) for guess in gap] for gap in guesses]

    def classify(self, texts: Sequence[str | Sequence[str]]) -> list[dict[str, float]]:
        """The probability of each label for each text, or pair of texts."""
        head = self.config.head
        if not isinstance(head, SequenceClassification):
            raise ModelError("this model has no head that classifies; `trivium finetune classify` makes one")
        layout, tokenizer = self.layout(), self._need_tokenizer()
        parts = [[text] if isinstance(text, str) else list(text) for text in texts]
        examples = [layout.example(layout.cut([tokenizer.encode(part) for part in text])) for text in parts]
        found = [row.sigmoid() if head.multi_label else row.softmax(-1) for row in scores(self.transformer, examples)]
        return [dict(zip(head.labels, row.tolist(), strict=True)) for row in found]

    def equip(self, kind: str, labels: Sequence[str] = (), **choices: Any) -> None:
        """Put the head of a task on the model: `classify`, `tag`, `span` or `embed`; and the frame of its texts."""
        tokenizer = self._need_tokenizer()
        head = equip.head(self.config, tokenizer.vocabulary, kind, tuple(labels), **choices)
        self.tokenizer = with_frame(tokenizer, self.layout().frame)
        self.transformer = equip.equip(self.transformer, head)

    def layout(self, length: int | None = None) -> Layout:
        """How texts are laid before the model where it reads them whole; `length` is its context unless given."""
        tokenizer, config = self._need_tokenizer(), self.config
        types = bool(getattr(config.embed, "types", 0))
        start = self._start() if config.family == "encoder_decoder" else 0
        frame = read_frame(tokenizer) or default_frame(
            tokenizer, config.family, start == tokenizer.vocabulary.pad, types
        )
        longest = min(length or config.context, config.limit or config.context)
        return Layout(tokenizer, frame, config.family, longest, start, types)

    def embed(self, texts: Sequence[str], pool: Pooling | None = None, normalise: bool = True) -> Float[Tensor, "N D"]:
        """One vector for each text, cut to the context: a mean of states, a decoder's last, or as `pool` says."""
        layout, pool = self.layout(), pool or self.record.get("pool")
        cut = [list(layout.cut([layout.tokenizer.encode(text)])[0]) for text in texts]
        return embed(self.transformer, [self.frame(ids) for ids in cut], pool, normalise)

    def stream(
        self, prompt: str, max_new_tokens: int = 64, stop: str | Sequence[str] | None = None, **sampling: Any
    ) -> Iterator[str]:
        """Continue one text, piece by piece; options as in `generate`."""
        tokenizer = self._need_tokenizer()
        ids, sources = self.sides([self.encode(prompt)])
        how = self._sample(**sampling)
        run = Generation(self.transformer, ids, how, max_new_tokens, self.stops, tokenizer.size, sources)
        return (piece for _, piece in write(run, tokenizer, _texts(stop)))

    def conversation(
        self,
        max_new_tokens: int = 256,
        stop: str | Sequence[str] | None = None,
        system: str | None = None,
        **sampling: Any,
    ) -> Chat:
        """Begin a conversation; options as in `generate`."""
        tokenizer = self._need_tokenizer()
        stops = tuple(dict.fromkeys((*self.stops, *stop_ids(tokenizer))))
        begin = self._start() if self.config.family == "encoder_decoder" else None
        how = self._sample(**sampling)
        return Chat(self.transformer, tokenizer, how, max_new_tokens, stops, _texts(stop), system, begin)

    def chat(self, messages_: Sequence[Message | dict[str, str]], max_new_tokens: int = 256, **options: Any) -> str:
        """Answer a conversation, a list of `{"role": ..., "content": ...}`; options as in `generate`."""
        chat = self.conversation(max_new_tokens, **options)
        chat.history = messages(messages_)
        return "".join(chat.answer())

    def save(self, folder: str | Path) -> Path:
        """Write a model folder, whole or not at all."""
        return hub.save(folder, self.transformer, self.tokenizer, self.record, start=self.start, forced=self.forced)

    def save_adapter(self, folder: str | Path, base: str | Path = "") -> Path:
        """Write the low-rank adapters alone, in peft's files; `base` is the model folder that they belong to."""
        return save_adapter(folder, self.transformer, base)

    def encode(self, text: Any) -> list[int]:
        """A text as the ids that the model's first stack reads: framed as in training, a decoder's without an end."""
        if not isinstance(text, str):
            raise ModelError(f"prompts: expected texts only or ids only, found {type(text).__name__} among texts")
        tokenizer = self._need_tokenizer()
        if self.config.encoder is not None:
            return self.frame(tokenizer.encode(text))
        bos = tokenizer.vocabulary.bos
        return [*([] if bos is None else [bos]), *tokenizer.encode(text)]

    def frame(self, ids: list[int]) -> list[int]:
        """A text as its model learned to read it whole: BOS to EOS, in T5's family only EOS at its end."""
        frame = self.layout().frame
        return [*frame.before, *ids, *frame.after]

    def _start(self) -> int:
        return self.start if self.start is not None else self.tokenizer.vocabulary.pad if self.tokenizer else 0

    def sides(self, ids: list[list[int]]) -> tuple[list[list[int]], list[list[int]] | None]:
        """What the decoder begins with, and what the encoder reads, if there is one."""
        if self.config.family != "encoder_decoder":
            return ids, None
        return [[self._start()] for _ in ids], ids

    def _sample(self, **options: Any) -> Sampling:
        tree = {key: value for key, value in {**self.forced, **options}.items() if value is not None}
        return parse(Sampling, tree, "generate")

    def _need_tokenizer(self) -> Tokenizer:
        if self.tokenizer is None:
            raise ModelError("this model has no tokenizer (no tokenizer.json): give ids, or set model.tokenizer")
        return self.tokenizer


def load(
    folder: str | Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    imports: Sequence[str | Path] = (),
) -> Model:
    """Load our model folder or any supported Hugging Face folder; `imports` are Python files of own kinds."""
    plugin.load(imports, "load")
    found = hub.load(folder, dtype)
    return Model(found.transformer.to(device), found.tokenizer, found.stops, found.record, found.start, found.forced)


def build(preset: str = "llama", **overrides: Any) -> Model:
    """Make a preset with random weights. A field of a stack (layers=, heads=, pattern=, ...) sets every stack."""
    return Model(Transformer(configure(preset, **overrides)).eval())


def configure(preset: str, **overrides: Any) -> ModelConfig:
    """The config of a preset with flat overrides; an unknown one is a ConfigError that says which was meant."""
    top, stack = {*ModelConfig.model_fields, "depth"}, set(StackConfig.model_fields)
    tree: dict[str, Any] = {"preset": preset}
    flat: dict[str, Any] = {}
    for key, value in overrides.items():
        if key in top:
            tree[key] = dump(value)
        elif key in stack:
            flat[key] = dump(value)
        elif key == "ffn_size":
            flat = merge(flat, {"ffn": {"size": value}})
        else:
            close = get_close_matches(key, [*sorted(top | stack), "ffn_size"], n=1, cutoff=0.5)
            raise ConfigError(f"build: {key}: unknown keyword" + (f"; did you mean '{close[0]}'?" if close else ""))
    for name in ("encoder", "decoder"):
        if flat and (name in tree or (preset in PRESETS and name in PRESETS[preset]())):
            tree[name] = merge(tree.get(name), flat)
    return parse(ModelConfig, tree, "build")


def _texts(stop: str | Sequence[str] | None) -> list[str]:
    return [stop] if isinstance(stop, str) else list(stop or [])


def _rows(prompts: Any) -> tuple[bool, list[Any]]:
    """Whether there is a single prompt, and the prompts as a list."""
    if isinstance(prompts, str):
        return True, [prompts]
    rows = prompts.tolist() if hasattr(prompts, "tolist") else list(prompts)
    single = bool(rows) and isinstance(rows[0], int)
    return single, [rows] if single else rows


def _table(values: Ids, name: str, device: torch.device) -> Tensor:
    try:
        table = torch.as_tensor(values, dtype=torch.long, device=device)
    except (ValueError, TypeError) as wrong:
        raise ModelError(f"{name}: expected rows of ids of one length: {wrong}") from wrong
    if table.dim() != 2 or not table.numel():
        raise ModelError(f"{name}: expected a table [B, T], found the shape {list(table.shape)}")
    return table
