"""Files of jobs in a folder and in a real bucket: the same promises."""

from pathlib import Path
from typing import IO

import pytest

from clr_tuner.embedded.settings import require_artifacts
from clr_tuner.errors import CannotServe
from store import bucket
from store.artifacts import Artifacts, find_artifacts
from store.bucket import Unreachable
from store.settings import Settings
from tests.services import free_port

LARGE = bytes(range(256)) * 50_000  # three parts of an upload


@pytest.fixture(params=["folder", "bucket"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    url = tmp_path.as_uri() if request.param == "folder" else request.getfixturevalue("bucket_url")
    return find_artifacts(Settings(artifacts_url=url))


def put(artifacts: Artifacts, path: str, content: bytes = b"x") -> int:
    return artifacts.write(path, lambda file: file.write(content))


@pytest.mark.parametrize("content", [b"", b"small", LARGE])
def test_what_was_written_is_read(artifacts: Artifacts, content: bytes) -> None:
    assert put(artifacts, "a/b/file.pt", content) == len(content)

    with artifacts.open("a/b/file.pt") as file:
        assert file.read() == content


def test_what_was_written_before_is_replaced(artifacts: Artifacts) -> None:
    put(artifacts, "a/file.pt", b"old")
    put(artifacts, "a/file.pt", b"new")

    with artifacts.open("a/file.pt") as file:
        assert file.read() == b"new"


def test_what_breaks_off_leaves_nothing(artifacts: Artifacts) -> None:
    def fill(file: IO[bytes]) -> None:
        file.write(LARGE)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        artifacts.write("a/file.pt", fill)

    assert artifacts.files("a") == []


def test_a_file_that_is_not_there_is_told_from_a_place_that_is_not(artifacts: Artifacts) -> None:
    with pytest.raises(FileNotFoundError):
        artifacts.open("a/file.pt")


def test_the_files_of_one_folder_are_listed_and_no_others(artifacts: Artifacts) -> None:
    for path in ("a/1/file", "a/2/file", "ab/1/file"):
        put(artifacts, path)

    assert sorted(artifacts.files("a")) == ["a/1/file", "a/2/file"]
    assert artifacts.files("c") == []


def test_a_removed_file_is_gone_and_may_be_removed_again(artifacts: Artifacts) -> None:
    put(artifacts, "a/file")

    for _ in range(2):
        artifacts.remove("a/file")

    assert artifacts.files("a") == []


def test_a_removed_folder_takes_nothing_else_along(artifacts: Artifacts) -> None:
    for path in ("a/1/file", "ab/1/file"):
        put(artifacts, path)

    for _ in range(2):
        artifacts.remove_folder("a")

    assert artifacts.files("a") == []
    assert artifacts.files("ab") == ["ab/1/file"]


def test_a_place_that_can_be_written_passes_and_is_left_as_it_was(artifacts: Artifacts) -> None:
    artifacts.check()

    assert artifacts.files("") == []


def test_two_prefixes_of_one_bucket_know_nothing_of_each_other(bucket_url: str) -> None:
    one, other = (find_artifacts(Settings(artifacts_url=bucket_url + name)) for name in ("/one", "/one-more"))

    put(other, "a/file")

    assert one.files("a") == []


@pytest.mark.parametrize(
    ("variables", "url", "sentence"),
    [
        ({}, "s3://no-such-bucket/x", "has no bucket no-such-bucket (NoSuchBucket"),
        ({"AWS_ACCESS_KEY_ID": "AKIANOBODY"}, None, "AWS_SECRET_ACCESS_KEY not write to the bucket"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, None, "AWS_SECRET_ACCESS_KEY not write to the bucket"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, None, "http://127.0.0.1:1 does not answer"),
        ({"AWS_ENDPOINT_URL": "nowhere"}, None, "AWS_ENDPOINT_URL must be http://"),
        ({"AWS_ENDPOINT_URL": "http://nowhere:port"}, None, "AWS_ENDPOINT_URL must be http://"),
        ({"AWS_ACCESS_KEY_ID": None}, None, "wants credentials: set AWS_ACCESS_KEY_ID"),
        (
            {name: None for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
            | {"AWS_METADATA_ENDPOINT": "http://127.0.0.1:1"},
            None,
            "wants credentials: set AWS_ACCESS_KEY_ID",
        ),
    ],
)
def test_a_bucket_that_cannot_be_used_is_refused_in_a_sentence(
    bucket_url: str,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str | None],
    url: str | None,
    sentence: str,
) -> None:
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)

    with pytest.raises(CannotServe) as refused:
        require_artifacts(Settings(artifacts_url=url or bucket_url))

    assert str(refused.value).startswith("CLR_ARTIFACTS_URL: ")
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 400


def test_a_folder_that_cannot_be_made_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "folder"

    with pytest.raises(CannotServe, match=r"CLR_ARTIFACTS_URL: cannot write to .*/file/folder: Not a dir"):
        require_artifacts(Settings(artifacts_url=folder.as_uri()))


def test_a_bucket_that_is_away_is_waited_for_and_then_told_from_a_missing_file(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(bucket, "PATIENCE_S", 0.0)

    with pytest.raises(Unreachable, match="error sending request"):
        find_artifacts(Settings(artifacts_url=bucket_url)).open("a/file")


def test_a_bucket_that_is_away_is_not_asked_again_and_again(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "REST", 1e6)
    artifacts = find_artifacts(Settings(artifacts_url=bucket_url))
    with monkeypatch.context() as away:
        away.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
        with pytest.raises(Unreachable, match="error sending request"):
            put(artifacts, "a/file")

    with pytest.raises(Unreachable, match="a moment ago"):
        put(artifacts, "a/file")


def test_without_a_url_they_lie_in_the_data_directory(tmp_path: Path) -> None:
    put(find_artifacts(Settings(data_dir=tmp_path)), "a/file")

    assert (tmp_path / "a" / "file").is_file()


@pytest.mark.parametrize("name", ["plain", "with space", "100%", "ü#?"])
def test_a_folder_may_have_any_name(name: str, tmp_path: Path) -> None:
    put(find_artifacts(Settings(artifacts_url=(tmp_path / name).as_uri())), "file")

    assert (tmp_path / name / "file").is_file()


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "checkpoints/../../secret", "a/..", ""])
def test_no_path_leads_out(artifacts: Artifacts, path: str, tmp_path: Path) -> None:
    (tmp_path.parent / "secret").write_text("x")

    with pytest.raises(FileNotFoundError):
        artifacts.open(path).close()
    with pytest.raises(FileNotFoundError):
        artifacts.remove_folder(path)
