"""The core: one attention, one block, one stack for encoders, decoders and both together.

The family of a model is data (who may look at whom) and topology (which stacks exist), never a class. The model
knows no loss, no shift, no data and no trainer: it maps a Batch to hidden states.

Letters, everywhere: B batch, T query length, S key length, D model width, H query heads, K key/value heads,
E head width, F feed-forward width, V vocabulary.
"""
