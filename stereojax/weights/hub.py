"""A repository on the Hugging Face hub, as a folder whose files come when asked for."""

import json
from pathlib import Path
from urllib.parse import quote

from stereojax.cli import RunError
from stereojax.weights.download import download
from stereojax.weights.remote import RemoteFolder
from stereojax.weights.session import endpoint, request


class HubRepo(RemoteFolder):
    """A repository, by its name (owner/name)."""

    def __init__(self, repo: str, downloads: Path):
        super().__init__(repo, endpoint(), downloads / repo.replace("/", "--"))

    def names(self) -> list[str]:
        url = f"{endpoint()}/api/models/{self.label}"
        with request(self.label, url) as answer:
            body = answer.read()
        try:
            return [file["rfilename"] for file in json.loads(body)["siblings"]]
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{endpoint()}: does not answer as a hub does") from error

    def _download(self, name: str, target: Path) -> None:
        url = f"{endpoint()}/{self.label}/resolve/main/{quote(name)}"
        download(self.label, url, target)
