"""The certificate of a model: each way of computing it says the same as the trainer's forward."""
