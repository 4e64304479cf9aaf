"""Requests to the Hugging Face hub, whose failures are found out in seconds.

Through huggingface_hub's session, token and settings, but without its retries, which
take most of a minute to notice that there is no network.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stereojax.cli import InputError, RunError

SECONDS_TO_CONNECT = 5
SECONDS_OF_SILENCE = 15


class NetworkError(RunError):
    """The hub cannot be reached, or broke off."""


def endpoint() -> str:
    """The hub's address: HF_ENDPOINT, or the public one."""
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids the network."""
    from huggingface_hub import constants

    now = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    return now or constants.is_offline_mode()


def check_reachable() -> None:
    """Raises NetworkError, within seconds, where the hub does not answer."""
    from huggingface_hub import get_session

    failure: list[str] = ["no answer"]

    def ask() -> None:
        try:
            get_session().head(endpoint(), timeout=SECONDS_TO_CONNECT)
            failure.clear()
        except Exception as error:
            failure[0] = _reason(error)

    # In a thread: looking up a name has no time limit of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(SECONDS_TO_CONNECT)
    if failure:
        raise NetworkError(f"{endpoint()}: no connection ({failure[0]})")


@contextmanager
def request(repo: str, path: str, *, start: int = 0) -> Iterator[Any]:
    """A streamed answer to GET `path`, from byte `start` where the server can.

    Raises:
      InputError: the hub refuses: no such thing, or terms that are not accepted.
      NetworkError: anything that fails on the way, in the body of the context too.
    """
    from huggingface_hub import get_session
    from huggingface_hub.utils import build_hf_headers

    headers = build_hf_headers() | {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    limits = (SECONDS_TO_CONNECT, SECONDS_OF_SILENCE, SECONDS_OF_SILENCE, None)
    try:
        with get_session().stream(
            "GET", endpoint() + path, headers=headers, timeout=limits
        ) as answer:
            _check_status(repo, path, answer)
            yield answer
    except (InputError, RunError, OSError):
        raise
    # The client's own errors have no common name over its versions.
    except Exception as error:
        raise NetworkError(f"{endpoint()}{path}: {_reason(error)}") from error


def _check_status(repo: str, path: str, answer: Any) -> None:
    status, code = answer.status_code, answer.headers.get("x-error-code", "")
    where = f"{endpoint()}/{repo}"
    if status == 403 or code == "GatedRepo":
        raise InputError(
            f"{repo} is gated: accept its terms at {where}, then run: hf auth login"
        )
    if status == 401 or code == "RepoNotFound":
        raise InputError(
            f"{repo}: no such repository at {endpoint()}, or a private one; check the "
            "name, or run: hf auth login"
        )
    if status == 404:
        raise InputError(f"{endpoint()}{path}: not found; check the repository's name")
    if status >= 400:
        raise NetworkError(f"{endpoint()}{path}: the hub answered {status}; try again")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
