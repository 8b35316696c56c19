"""The core: one attention, one block and one stack for encoders, decoders and encoder-decoders.

The family of a model is data (its attention patterns) and topology (its stacks), never a class. The model maps a Batch
to hidden states; it knows no loss, no shift, no data and no trainer.

Letters, everywhere: B batch, T query length, S key length, D model width, H query heads, K key/value heads,
E head width, F feed-forward width, V vocabulary.
"""
