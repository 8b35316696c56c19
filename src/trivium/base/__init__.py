"""The ground floor: standard library, numpy and pydantic; never torch."""
