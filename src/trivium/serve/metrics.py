"""What the server counts, in the form that Prometheus reads, and its log: one line of JSON for each request."""

import json
import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from trivium.base.log import say
from trivium.serve.served import Catalog


class Meter:
    """The numbers of one server."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog, self.registry = catalog, CollectorRegistry()
        self.requests = Counter(
            "trivium_requests", "Requests that have ended.", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram("trivium_request_seconds", "Seconds of a request.", ["path"], registry=self.registry)
        self.first = Histogram(
            "trivium_first_token_seconds", "Seconds to the first text.", ["model"], registry=self.registry
        )
        self.tokens = Counter(
            "trivium_tokens",
            "Tokens read, written, guessed, and guessed right.",
            ["model", "kind"],
            registry=self.registry,
        )
        self.rows = Gauge("trivium_rows", "Rows that are written, or wait.", ["model", "state"], registry=self.registry)

    def done(self, note: dict[str, Any]) -> None:
        """Count a request that has ended, and log it."""
        path = note["route"]  # a path that is no route is not a label: anyone could make a million
        self.requests.labels(path, note["status"]).inc()
        self.seconds.labels(path).observe(note["seconds"])
        if "model" in note:
            for kind in ("read", "written", "guessed", "right"):
                self.tokens.labels(note["model"], kind).inc(note[kind])
            if "first_seconds" in note:
                self.first.labels(note["model"]).observe(note["first_seconds"])
        say(json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **note}))

    def text(self) -> bytes:
        """Return all numbers as Prometheus reads them."""
        for name, one in self.catalog.served.items():
            for state, count in zip(("running", "waiting"), one.worker.load, strict=True):
                self.rows.labels(name, state).set(count)
        return generate_latest(self.registry)
