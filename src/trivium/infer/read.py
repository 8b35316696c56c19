"""Read texts and pictures with a model: a vector for each, the scores of a head, the fillings of masks.

`ReadingModel` is what a model does with whole inputs; `api.Model` adds what it writes.

Sentence encoders are trained with the mean over tokens (Reimers and Gurevych 2019, arXiv:1908.10084). Only the last
token of a decoder has read the whole text.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from trivium.base.batch import collate
from trivium.base.config import dump, parse
from trivium.base.errors import ConfigError, ModelError
from trivium.base.log import note, warn
from trivium.base.types import Example, Patches, Pooling
from trivium.image.augment import PictureReader
from trivium.image.processor import PROCESSOR, ImageProcessor
from trivium.infer.padding import agree, by_length, check, right_padded
from trivium.model.config import ModelConfig
from trivium.model.device import evaluating, place
from trivium.model.layer.score import SentenceEmbedding, SequenceClassification, pooled
from trivium.model.transformer import Transformer
from trivium.model.vectors import Vectors, usual_pool
from trivium.token.layout import Layout, gapped
from trivium.token.tokenizer import Tokenizer

CPU_PLACES, PLACES = 1024, 16_384
"""The positions of a batch, padding included: what a layer computes of so few stays in a core's cache."""
READERS = 4
"""The threads that decode pictures."""


def embed(
    transformer: Transformer,
    rows: Sequence[Sequence[int]],
    pool: Pooling | Sequence[Pooling] | None = None,
    normalise: bool = True,
    skip: int = 0,
) -> Float[Tensor, "N Q"]:
    """Return the vectors of N rows of ids, float32 on the CPU, of length 1 if `normalise`.

    `pool` None is that of the head, else the mean of an encoder's states, or a decoder's last state. Of an
    encoder-decoder the encoder reads. The first `skip` states of a row are not pooled, unless there are no others.
    ModelError names a row that the model cannot read.
    """
    config, device = transformer.config, transformer.device
    head = config.head if isinstance(config.head, SentenceEmbedding) else None
    pool = pool or usual_pool(config)
    pool = (pool,) if isinstance(pool, str) else tuple(pool)
    if head and head.dense and pool != head.pool:
        raise ModelError(f"pool: {', '.join(pool)}, but the layers after it read {', '.join(head.pool)}")
    check(rows, config.vocab_size, config.limit)
    found: list[Tensor] = [torch.empty(0)] * len(rows)
    with evaluating(transformer):
        for some in by_length(rows, places=most(device)):
            side = right_padded([rows[row] for row in some], device)
            hidden = transformer.decode(side) if config.encoder is None else transformer.encode(side).states
            if skip:
                ends = side.documents.sum(dim=1, keepdim=True) - 1
                kept = side.positions >= torch.minimum(ends, torch.full_like(ends, skip))
                side = replace(side, documents=side.documents * kept)
            vectors = pooled(hidden.float(), side, pool)
            vectors = transformer.head(vectors).float() if head else vectors
            for row, vector in zip(some, F.normalize(vectors, dim=-1) if normalise else vectors, strict=True):
                found[row] = vector.cpu()
    return torch.stack(found) if found else torch.empty(0, config.hidden_size)


def most(device: torch.device) -> int:
    """Return the positions of a batch on a device."""
    return CPU_PLACES if device.type == "cpu" else PLACES


def embed_texts(
    transformer: Transformer, layout: Layout, texts: Sequence[str], how: Vectors, prompt: str | None = None
) -> Float[Tensor, "N Q"]:
    """Return the vectors of N texts, each behind a prompt and cut to the length of the layout; see `embed`."""
    prefix = how.prefix(prompt)
    empty, *cut = fitted(layout, [[content(layout, text, how, prompt)] for text in ("", *texts)])
    rows = [layout.frame.lay(one)[0].tolist() for one in cut]
    skip = len(layout.frame.lay(empty)[0]) - bool(layout.frame.after)
    return embed(transformer, rows, how.pool, how.normalise, skip if prefix and not how.include_prompt else 0)


def content(layout: Layout, text: str, how: Vectors, prompt: str | None = None) -> list[int]:
    """Return the ids of a text behind a prompt, without special tokens, and not cut."""
    text = how.prefix(prompt) + text
    return layout.tokenizer.encode(text.lower() if how.lower else text)


def text_scores(transformer: Transformer, layout: Layout, texts: Sequence[str | Sequence[str]]) -> list[Tensor]:
    """Return the head's scores of each text or pair of texts, cut to the length of the layout; see `scores`."""
    parts = [[text] if isinstance(text, str) else list(text) for text in texts]
    laid = fitted(layout, [[layout.tokenizer.encode(part) for part in text] for text in parts])
    return scores(transformer, [layout.example(one) for one in laid])


def fitted(layout: Layout, texts: Sequence[Sequence[list[int]]]) -> list[list[Any]]:
    """Return texts, each in parts, cut to the length of a layout; a warning tells how many were longer."""
    found = [layout.cut(text) for text in texts]
    longer = sum(sum(map(len, text)) > sum(map(len, cut)) for text, cut in zip(texts, found, strict=True))
    if longer:
        warn(f"{longer:,} texts are longer than the {layout.length:,} tokens that are read: what comes after was cut")
    return found


def scores(transformer: Transformer, examples: Sequence[Example]) -> list[Tensor]:
    """Return the head's scores of each example, float32 on the CPU: [C] if the head pools a text, else [T, C]."""
    device, head = transformer.device, transformer.config.head
    pool, eos = getattr(head, "pool", None), getattr(head, "eos", None)
    found: list[Tensor] = [torch.empty(0)] * len(examples)
    with evaluating(transformer):
        for some in by_length(examples, places=most(device)):
            batch = place(collate([[examples[index]] for index in some], pad=0), device)
            hidden = transformer(batch)
            if pool is not None:
                texts = list(pooled(hidden, batch.read, pool, eos))
            else:
                texts = [row[: len(examples[index])] for index, row in zip(some, hidden, strict=True)]
            for index, text in zip(some, texts, strict=True):
                found[index] = transformer.head(text).float().cpu()
    return found


class Guess(NamedTuple):
    """An id for a masked position and its probability."""

    id: int
    probability: float


def fill(
    transformer: Transformer, ids: Sequence[int], mask: int, top: int = 5, vocabulary: int | None = None
) -> list[list[Guess]]:
    """Return the `top` guesses for each mask of a text, in order; each is guessed while the others are still masked.

    `vocabulary` is the number of the model's ids that stand for tokens. Raise ModelError where the model is no encoder
    with a head over the vocabulary, and ConfigError where the text has no mask or `top` is not possible.
    """
    config = transformer.config
    if config.family != "encoder":
        raise ModelError(
            f"filling masks needs an encoder; this model is of family {config.family}: see `trivium generate`"
        )
    if not hasattr(transformer.head, "features"):
        raise ModelError("filling masks needs a head over the vocabulary, and this model has none")
    if not 1 <= top <= (most := vocabulary or config.vocab_size):
        raise ConfigError(f"top: expected a whole number from 1 to {most:,}, found {top}")
    check([ids], config.vocab_size, config.limit)
    gaps = [at for at, index in enumerate(ids) if index == mask]
    if not gaps:
        raise ConfigError("there is no mask in the text: expected at least one [MASK] to fill")
    with evaluating(transformer):
        hidden = transformer.encode(right_padded([ids], transformer.tokens.weight.device)).states[0, gaps]  # G D
        probabilities = transformer.logits(hidden)[:, :vocabulary].softmax(dim=-1)
    values, index = probabilities.topk(min(top, probabilities.shape[1]))
    return [
        [Guess(*pair) for pair in zip(*row, strict=True)] for row in zip(index.tolist(), values.tolist(), strict=True)
    ]


class ReadingModel:
    """The parts of a model that reads whole texts or pictures, and what it says of them."""

    transformer: Transformer
    record: dict[str, Any]
    name: str

    @property
    def config(self) -> ModelConfig:
        """The model's config, frozen."""
        return self.transformer.config

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer."""
        raise NotImplementedError

    def layout(self, length: int | None = None) -> Layout:
        """Return how the model reads whole texts."""
        raise NotImplementedError

    def frame(self, ids: Sequence[int]) -> list[int]:
        """Return the ids of a text between the special tokens of its tokenizer."""
        raise NotImplementedError

    @property
    def processor(self) -> ImageProcessor:
        """How pictures become patches: as the folder says, else in the size of the model's table; ModelError: none."""
        agree(self.config, self.name, True)
        return processor_of(self.config, self.record.get(PROCESSOR) or {})

    @processor.setter
    def processor(self, processor: ImageProcessor) -> None:
        agree(self.config, self.name, True)
        self.record[PROCESSOR] = dump(processor_of(self.config, dump(processor)))

    @property
    def reader(self) -> PictureReader:
        """How the model reads a picture."""
        return PictureReader(self.processor)

    def see(self, images: Sequence[Any]) -> list[Patches]:
        """Return the patches of pictures: paths, bytes, PIL pictures, arrays or patches; some threads decode them.

        Those that are resized to another ratio are told, by their number.
        """
        reader = self.reader
        with ThreadPoolExecutor(READERS) as readers:
            found = list(
                readers.map(lambda one: (one, False) if isinstance(one, Patches) else reader.seen(one), images)
            )
        if bent := sum(bends for _, bends in found):
            note(f"{bent:,} of {len(images):,} pictures are resized to another ratio of height and width")
        return [patches for patches, _ in found]

    def fill(self, text: str, top: int = 5) -> list[list[tuple[str, float]]]:
        """Return an encoder's guesses (text, probability) for each gap; a gap is `[MASK]` or the mask token."""
        tokenizer = self.tokenizer
        if (mask := tokenizer.vocabulary.mask) is None:
            raise ModelError(f"{self.name}: its tokenizer has no mask token")
        guesses = fill(self.transformer, self.frame(gapped(tokenizer, text, mask)), mask, top, tokenizer.size)
        return [[(tokenizer.decode([guess.id]), guess.probability) for guess in gap] for gap in guesses]

    def classify(self, texts: Sequence[Any]) -> list[dict[str, float]]:
        """Return the probability of each label for each text, pair of texts or picture; of a regression the number."""
        head = self.config.head
        if not isinstance(head, SequenceClassification):
            raise ModelError(f"{self.name} has no head that classifies; `trivium finetune classify` makes one")
        if self.config.pictures:
            seen = [Example(one.values, places=one.places) for one in self.see(texts)]
            rows = scores(self.transformer, seen)
        else:
            rows = text_scores(self.transformer, self.layout(), texts)
        found = [head.probabilities(row) for row in rows]
        return [dict(zip(head.labels, row.tolist(), strict=True)) for row in found]

    def score(self, pairs: Sequence[str | Sequence[str]]) -> list[float]:
        """Return the score of each pair, such as a query and a passage, or of each text, by a head with one label.

        It is a number, or the head's `activation_fn` of it. Texts are cut to the tokenizer's `model_max_length`.
        """
        head = self.config.head
        if not isinstance(head, SequenceClassification) or not head.single:
            raise ModelError(f"{self.name} has no head with one label; `trivium finetune rerank` makes one")
        found = text_scores(self.transformer, self.layout(self.tokenizer.limit), pairs)
        return [float(head.score(row)) for row in found]

    def embed(self, texts: Sequence[str], prompt: str | None = None, **changes: Any) -> Float[Tensor, "N D"]:
        """Return one vector for each text, made as the folder says, or as the `changes` of `Vectors` do (pool=...).

        `prompt` is the name of a prompt of the folder.
        """
        how = parse(Vectors, {**dump(Vectors.of(self.record)), **changes}, "embed")
        return embed_texts(self.transformer, self.layout(how.length), texts, how, prompt)


def processor_of(config: ModelConfig, tree: dict[str, Any]) -> ImageProcessor:
    """Return the processor of a model of pictures; what `tree` does not say is as the model's table has it.

    ModelError: it cuts other patches than the model reads.
    """
    embed: Any = config.pictures
    rows, columns = embed.size
    own = {name: getattr(embed, name) for name in ("patch", "patch_width", "channels", "class_token")}
    high, wide = rows * embed.patch, columns * (embed.patch_width or embed.patch)
    size: dict[str, Any] = {"height": high, "width": wide if tree.get("max_width") is None else None}
    found = parse(ImageProcessor, {**own, **size, **tree}, PROCESSOR)
    for name, value in own.items():
        if (said := getattr(found, name)) != value:
            raise ModelError(f"{PROCESSOR}.{name}: expected {value}, as the model reads pictures, found {said}")
    longest = found.width or found.max_width or 0
    if found.height > high or longest > wide:
        most = f"{high} x {wide}"
        raise ModelError(f"{PROCESSOR}: expected at most {most} pixels, found {found.height} x {longest}")
    return found


def asked(layout: Layout, pictures: Sequence[Patches], questions: str | Sequence[str] | None) -> list[list[int]]:
    """Return what the decoder reads before it writes of each picture: see `Layout.before`.

    One question is for all pictures; a ModelError says that there are more, and not one for each.
    """
    each = [questions or ""] * len(pictures) if questions is None or isinstance(questions, str) else list(questions)
    if len(each) != len(pictures):
        raise ModelError(f"prompts: expected one, or one for each of {len(pictures)} pictures, found {len(each)}")
    return [layout.before(len(picture), question) for picture, question in zip(pictures, each, strict=True)]
