"""Requests to the Hugging Face hub and to other servers; failures show in seconds.

Through huggingface_hub's session and settings, but without its retries, which take most
of a minute to notice that there is no network. Only the hub gets the hub's token.
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
    """The server cannot be reached, or broke off."""


def endpoint() -> str:
    """The hub's address: HF_ENDPOINT, or the public one."""
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids the network."""
    from huggingface_hub import constants

    now = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    return now or constants.is_offline_mode()


def check_reachable(server: str) -> None:
    """Raises NetworkError, within seconds, where `server` does not answer."""
    from huggingface_hub import get_session

    failure: list[str] = ["no answer"]

    def ask() -> None:
        try:
            get_session().head(server, timeout=SECONDS_TO_CONNECT)
            failure.clear()
        except Exception as error:
            failure[0] = _reason(error)

    # In a thread: looking up a name has no time limit of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(SECONDS_TO_CONNECT)
    if failure:
        raise NetworkError(f"{server}: no connection ({failure[0]})")


@contextmanager
def request(label: str, url: str, *, start: int = 0) -> Iterator[Any]:
    """A streamed answer to GET `url`, from byte `start` where the server can.

    `label` names the repository or the file in errors.

    Raises:
      InputError: the server refuses: no such thing, or terms that are not accepted.
      NetworkError: anything that fails on the way, in the body of the context too.
    """
    from huggingface_hub import get_session
    from huggingface_hub.utils import build_hf_headers

    on_hub = url.startswith(f"{endpoint()}/")
    headers = {"Accept-Encoding": "identity"}
    if on_hub:
        headers |= build_hf_headers()  # with the user's token
    if start:
        headers["Range"] = f"bytes={start}-"
    limits = (SECONDS_TO_CONNECT, SECONDS_OF_SILENCE, SECONDS_OF_SILENCE, None)
    try:
        with get_session().stream(
            "GET", url, headers=headers, timeout=limits
        ) as answer:
            if on_hub:
                _check_hub(label, answer)
            _check_status(url, answer.status_code)
            yield answer
    except (InputError, RunError, OSError):
        raise
    # The client's own errors have no common name over its versions.
    except Exception as error:
        raise NetworkError(f"{url}: {_reason(error)}") from error


def _check_hub(repo: str, answer: Any) -> None:
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


def _check_status(url: str, status: int) -> None:
    if status == 404:
        raise InputError(f"{url}: not found; check the name")
    if status >= 400:
        raise NetworkError(f"{url}: the server answered {status}; try again")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
