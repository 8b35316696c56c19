"""The models are listed with what they can do; the server is ready when they are loaded."""

from serving import ask, catalog, tiny


def test_models_and_readiness() -> None:
    with catalog({"a/b": tiny(), "bert": tiny("bert")}) as made:
        listed, one, none, ready = ask(
            made, *(lambda c, p=p: c.get(p) for p in ("/v1/models", "/v1/models/a/b", "/v1/models/c", "/ready"))
        )
        assert [model["id"] for model in listed.json()["data"]] == ["a/b", "bert"] and one.json()["family"] == "decoder"
        assert "chat" in one.json()["answers"] and "chat" not in listed.json()["data"][1]["answers"]
        assert one.json()["max_model_len"] == 128 and none.status_code == 404 and ready.status_code == 200
        made.ready = False
        ready, health = ask(made, lambda client: client.get("/ready"), lambda client: client.get("/health"))
        assert ready.status_code == 503 and "retry-after" in ready.headers and health.status_code == 200
