"""Where files lie that outlive a process: in a folder, or in a bucket that every host reaches.

Both go by paths whose parts / joins, and raise OSError where they cannot be reached.
"""

from urllib.parse import unquote, urlsplit

from store.bucket import Bucket
from store.folder import Folder
from store.settings import Settings

Artifacts = Folder | Bucket


def find_artifacts(settings: Settings) -> Artifacts:
    """Those of `CLR_ARTIFACTS_URL`, else of the data directory. Nothing is asked yet."""
    url = urlsplit(settings.artifacts_url)
    if url.scheme == "s3":
        return Bucket(url.netloc, url.path.strip("/"))
    return Folder(unquote(url.path) if url.path else settings.data_dir.resolve())
