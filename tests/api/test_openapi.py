"""The OpenAPI document says what the service does."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from store.settings import Settings

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Document:
    return create_app(Settings()).openapi()


def operations(document: Document) -> list[tuple[str, Document]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def refuse_if_wrong(document: Document, schema: Document, example: object) -> None:
    """Raise jsonschema's ValidationError for an example that its schema does not allow."""
    Draft202012Validator({**schema, "components": document["components"]}).validate(example)


def test_the_routes_are_those_of_the_design(document: Document) -> None:
    assert {name for name, _ in operations(document)} == {
        "POST /range-tests",
        "GET /range-tests",
        "GET /range-tests/{id}",
        "DELETE /range-tests/{id}",
        "POST /range-tests/{id}/cancel",
        "GET /range-tests/{id}/bounds",
        "POST /range-tests/{id}/analyses",
        "GET /range-tests/{id}/analyses",
        "POST /range-tests/{id}/ask",
        "PUT /range-tests/{id}/sweeps/{number}/points",
        "POST /range-tests/{id}/sweeps/{number}/finish",
        "POST /range-tests/{id}/confirmations",
        "GET /range-tests/{id}/confirmations",
        "GET /range-tests/{id}/curve",
        "GET /range-tests/{id}/plot.{format}",
        "POST /training-jobs",
        "GET /training-jobs",
        "GET /training-jobs/{id}",
        "DELETE /training-jobs/{id}",
        "POST /training-jobs/{id}/cancel",
        "POST /training-jobs/{id}/ask",
        "PUT /training-jobs/{id}/sweeps/{number}/points",
        "POST /training-jobs/{id}/sweeps/{number}/finish",
        "POST /training-jobs/{id}/resume",
        "GET /training-jobs/{id}/curve",
        "GET /training-jobs/{id}/plot.{format}",
        "GET /training-jobs/{id}/checkpoints",
        "GET /training-jobs/{id}/checkpoints/{step}",
        "POST /comparisons",
        "GET /comparisons",
        "GET /comparisons/{id}",
        "DELETE /comparisons/{id}",
        "POST /comparisons/{id}/cancel",
        "GET /comparisons/{id}/plot.{format}",
        "POST /analyses",
        "POST /schedules/preview",
        "GET /jobs",
        "GET /jobs/{id}",
        "PATCH /jobs/{id}",
        "PATCH /comparisons/{id}",
        "POST /webhooks",
        "GET /webhooks",
        "GET /webhooks/{id}",
        "DELETE /webhooks/{id}",
        "POST /webhooks/{id}/test",
        "GET /webhooks/{id}/deliveries",
        "GET /jobs/{id}/events",
        "GET /events",
        "GET /workloads",
        "GET /workloads/{name}",
        "GET /workers",
        "GET /metrics",
        "POST /keys",
        "GET /keys",
        "DELETE /keys/{id}",
        "GET /session",
        "POST /session",
        "DELETE /session",
        "GET /audit",
        "GET /healthz",
        "GET /readyz",
    }


def test_every_operation_has_a_readable_name_and_a_description(document: Document) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]

    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and len(name) < 30 for name in names)
    assert all(operation["description"] for _, operation in operations(document))


def test_every_problem_is_declared_as_one(document: Document) -> None:
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"], (name, status)
    create = document["paths"]["/range-tests"]["post"]
    refused = {"400", "401", "403", "413", "415", "421", "422", "429", "503"}
    assert {"200", "202"} | refused == set(create["responses"])


def test_every_answer_in_json_has_an_example_that_its_schema_allows(document: Document) -> None:
    shown = 0
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            body = answer.get("content", {}).get("application/json")
            if body is not None:
                assert "example" in body, (name, status)
                refuse_if_wrong(document, body["schema"], body["example"])
                shown += 1
    assert shown >= 15


def test_the_example_of_the_metrics_is_in_their_format(document: Document) -> None:
    (media_type, body), *others = document["paths"]["/metrics"]["get"]["responses"]["200"]["content"].items()

    names = [family.name for family in text_string_to_metric_families(body["example"])]

    assert (media_type, others) == ("text/plain", [])
    assert names == ["clr_jobs", "clr_attempts"]


def test_the_examples_of_requests_and_problems_are_valid(document: Document) -> None:
    for name in ("RangeTestRequest", "PreviewRequest", "ProblemBody"):
        schema = document["components"]["schemas"][name]
        for example in schema["examples"]:
            refuse_if_wrong(document, schema, example)


def test_all_but_health_says_that_a_key_may_be_needed(document: Document) -> None:
    keyless = {name for name, operation in operations(document) if "security" not in operation}

    assert keyless == {"GET /healthz", "GET /readyz"}


def test_the_documents_are_served(api: TestClient, document: Document) -> None:
    assert api.get("/openapi.json").json()["paths"].keys() == document["paths"].keys()
    assert api.get("/docs").status_code == 200


def test_no_schema_is_named_by_the_module_it_lies_in(document: Document) -> None:
    assert not [name for name in document["components"]["schemas"] if "__" in name]
