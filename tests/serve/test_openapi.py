"""Right and wrong requests that schemathesis makes of the app's own OpenAPI never fail inside, and leave nothing."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from serving import behind_a_socket, catalog, tiny
from trivium.serve.served import Catalog

schemathesis = pytest.importorskip("schemathesis")
hypothesis = pytest.importorskip("hypothesis")
EACH = 200
"""The requests of each route, right and wrong ones."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def made() -> Iterator[Catalog]:
    with catalog({"llama": tiny(context=64), "bert": tiny("bert", context=64)}, max_new_tokens=8) as found:
        yield found


@pytest.fixture(scope="module")
def api(made: Catalog) -> Iterator[Any]:
    """The schema of the app, in which a model has one of the names of the server: another one is a 404 at once."""
    with behind_a_socket(made) as address:
        raw = httpx.get(f"{address}/openapi.json", trust_env=False, timeout=60).json()
        for one in raw["components"]["schemas"].values():
            if "model" in one.get("properties", {}):
                one["properties"]["model"] = {"type": "string", "enum": [*made.served]}
        found = schemathesis.openapi.from_dict(raw)
        found.config.update(base_url=address)
        yield found


MODES = schemathesis.GenerationMode
SETTINGS = hypothesis.settings(
    max_examples=EACH // 2,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[*hypothesis.HealthCheck],
)


def test_no_request_of_the_schema_fails_inside(made: Catalog, api: Any) -> None:
    statuses: Counter[tuple[str, int]] = Counter()

    def asked(case: Any) -> None:
        answer = case.call()
        statuses[case.operation.label, answer.status_code] += 1
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400 and case.method != "HEAD":
            assert answer.json()["error"] and "Traceback" not in answer.text  # of Ollama it is a text
        for one in made.served.values():
            assert one.worker.load == (0, 0) and one._calls == 0 and not one.worker._jobs

    routes = [found.ok() for found in api.get_all_operations()]
    for route in routes:
        SETTINGS(hypothesis.given(route.as_strategy(generation_mode=MODES.POSITIVE))(asked))()
        with suppress(hypothesis.errors.Unsatisfiable):  # a route without a body and parameters has no wrong request
            SETTINGS(hypothesis.given(route.as_strategy(generation_mode=MODES.NEGATIVE))(asked))()
    print(dict(statuses))
    assert len({label for label, _ in statuses}) == len(routes) > 15 and {code for _, code in statuses} >= {200, 400}
