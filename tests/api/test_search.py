"""Lists searched for text, on both databases: what is found, and that a search says where it stopped."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from store import search as search_module
from tests.api.lifecycle import create

pytestmark = pytest.mark.usefixtures("catalogue")


def search(api: TestClient, text: str, path: str = "/jobs", **query: Any) -> list[str]:
    """The ids of the first page."""
    answer = api.get(path, params={"search": text, **query})
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["items"]]


def test_every_word_is_somewhere_in_name_workload_or_tags(api: TestClient) -> None:
    first = create(api, name="Wide résumé, 100%", tags=["ci-night", 'say "x"'])["id"]
    second = create(api, name="narrow", tags=["night", "wide"])["id"]

    assert search(api, "wide") == [second, first]
    assert search(api, " RéSUMé wIDE digits ") == [first]
    assert search(api, "night narrow") == [second]
    assert search(api, "i-n") == [first]
    assert search(api, "0%") == [first]
    assert search(api, "na_row") == []
    assert search(api, '"x"') == [first]
    assert search(api, '", "') == search(api, "[") == []


def test_the_beginning_of_an_id_finds_its_job_alone(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "LOOKED_THROUGH", 1)
    job_id = create(api)["id"]
    create(api, name=job_id[:8])

    assert search(api, job_id[:8]) == search(api, job_id) == [job_id]
    assert search(api, job_id, status="failed") == search(api, job_id, "/training-jobs") == []


def test_a_search_is_narrowed_by_filters_and_kind(api: TestClient) -> None:
    tagged = create(api, name="one", tags=["night"])["id"]
    other = create(api, name="one")["id"]

    assert search(api, "one", tag="night") == [tagged]
    assert search(api, "one", "/range-tests", status="queued") == [other, tagged]
    assert search(api, "one", status="failed") == search(api, "one", "/training-jobs") == []


def test_a_search_looks_through_a_part_and_goes_on_behind_it(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "LOOKED_THROUGH", 3)
    made = [create(api, name="wanted" if number in (0, 4) else "other") for number in range(7)]

    pages, token = [], None
    while not pages or token:
        query = {"search": "wanted", "page_size": 5} | ({"page_token": token} if token else {})
        page = api.get("/jobs", params=query).json()
        pages.append(([job["id"] for job in page["items"]], page["searched_to"]))
        token = page["next_page_token"]

    assert pages == [
        ([made[4]["id"]], made[4]["created_at"]),
        ([], made[1]["created_at"]),
        ([made[0]["id"]], None),
    ]


def test_a_full_page_of_a_search_goes_on_from_its_last_job(api: TestClient) -> None:
    made = [create(api, name="wanted")["id"] for _ in range(3)]

    first = api.get("/jobs", params={"search": "wanted", "page_size": 2}).json()

    assert first["searched_to"] is None
    assert search(api, "wanted", page_token=first["next_page_token"]) == made[:1]


def test_a_page_token_belongs_to_its_search(api: TestClient) -> None:
    for _ in range(2):
        create(api, name="wanted")
    token = api.get("/jobs", params={"search": "wanted", "page_size": 1}).json()["next_page_token"]

    mixed = api.get("/jobs", params={"search": "other", "page_token": token})

    assert (mixed.status_code, mixed.json()["code"]) == (400, "bad_page_token")


def test_comparisons_are_searched_alike(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = {"workload": "digits", "entries": [{"schedule": {"policy": "fixed", "lr": 0.1}}], "num_seeds": 1}
    made = [
        api.post("/comparisons", json=fixed | {"name": name, "tags": ["ci"]}).json()["id"]
        for name in ("two rates", "one rate", "no rates")
    ]
    monkeypatch.setattr(search_module, "LOOKED_THROUGH", 2)

    assert search(api, "rates ci", "/comparisons", tag="ci") == [made[2]]
    stopped = api.get("/comparisons", params={"search": "rates"}).json()
    assert stopped["searched_to"] is not None
    assert search(api, "rates", "/comparisons", page_token=stopped["next_page_token"]) == made[:1]
    assert search(api, made[1][:8], "/comparisons") == [made[1]]
    assert search(api, "rates", "/comparisons", status="failed") == []
