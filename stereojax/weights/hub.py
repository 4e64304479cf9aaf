"""Fetches files from the Hugging Face hub with huggingface_hub."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from stereojax.cli import InputError, RunError, line_of
from stereojax.weights.remote import (
    SECONDS_TO_CONNECT,
    NetworkError,
    RemoteFolder,
    check_sha256,
    endpoint,
)

RESTARTS = 3  # a download fails at its third restart from byte 0


class HubRepo(RemoteFolder):
    """A repository on the hub; `label` is its full name, such as owner/name."""

    def __init__(self, repo: str, downloads: Path):
        super().__init__(repo, endpoint(), downloads / repo.replace("/", "--"))

    def names(self) -> list[str]:
        from huggingface_hub import HfApi

        with _hub_errors(self.label):
            info = HfApi(endpoint=endpoint()).model_info(self.label)
        return [file.rfilename for file in info.siblings or ()]

    def _download(self, name: str, target: Path) -> None:
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

        url = hf_hub_url(self.label, name, endpoint=endpoint())
        with _hub_errors(self.label, name):
            etag = get_hf_file_metadata(
                url, timeout=SECONDS_TO_CONNECT, endpoint=endpoint()
            ).etag
            hf_hub_download(
                self.label,
                name,
                local_dir=self._folder,
                endpoint=endpoint(),
                etag_timeout=SECONDS_TO_CONNECT,
                tqdm_class=_BoundedRestarts,
            )
        # The entity tag of a large file is its SHA-256.
        if etag is not None and len(etag) == 64:
            check_sha256(target, etag, url)


@contextmanager
def _hub_errors(repo: str, name: str = "") -> Iterator[None]:
    """Turns huggingface_hub's errors into InputError or NetworkError, one line each."""
    from huggingface_hub import errors

    url = f"{endpoint()}/{repo}/{name}".rstrip("/")
    try:
        yield
    except (InputError, RunError):
        raise
    except errors.GatedRepoError as error:
        raise InputError(
            f"{repo} is gated: accept its terms at {endpoint()}/{repo}, then run: "
            "hf auth login"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(
            f"{repo}: no such repository at {endpoint()}, or a private one; check the "
            "name, or run: hf auth login"
        ) from error
    except errors.EntryNotFoundError as error:
        raise InputError(f"{url}: not found; check the name") from error
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "an error")
        raise NetworkError(f"{url}: the hub answered {status}; try again") from error
    except OSError as error:
        if error.errno is None:  # a network error, not a disk error
            raise NetworkError(f"{url}: {line_of(error)}") from error
        raise
    # The HTTP client's errors share no base class across its versions.
    except Exception as error:
        raise NetworkError(f"{url}: {line_of(error)}") from error


class _BoundedRestarts(tqdm):
    """A progress bar that stops a download after `RESTARTS` restarts from byte 0.

    Without it, huggingface_hub retries forever if the server closes the connection and
    cannot resume, because each received byte resets the retry counter. At a restart,
    huggingface_hub calls `update` with a negative number.
    """

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("mininterval", 0.2 if sys.stderr.isatty() else 30)
        super().__init__(*args, **kwargs)
        self._restarts = 0

    def update(self, n: int | float | None = 1) -> bool | None:
        if n is not None and n < 0:
            self._restarts += 1
            if self._restarts == RESTARTS:
                raise NetworkError(
                    f"{self.desc}: the connection closed {RESTARTS} times, the last "
                    f"time after {-n} of {self.total} bytes; try again"
                )
        return super().update(n)
