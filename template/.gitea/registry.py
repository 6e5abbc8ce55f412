"""Talks to the registry by twine's own session, so that what a question is answered, an upload is answered, too.

Certificates, proxies and the login are the same for both. Runs with what twine.txt names. The template owns this file.
"""

import logging
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import truststore
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version
from requests import RequestException, Response
from shared import PAUSES, SECRET, say
from twine.package import PackageFile
from twine.repository import Repository
from twine.settings import Settings
from urllib3.util import Retry
from version import project

logging.disable(logging.WARNING)  # twine's words about a failure; this program says what to do
truststore.inject_into_ssl()  # the certificates that the system trusts, which are all that git and uv know
REGISTRY = os.environ.get("REGISTRY_URL", "")
LONGEST = 600  # seconds that a wait may take


def session() -> Repository:
    """Returns twine's connection to the registry, as the account that uploads."""
    # requests writes a login in Latin-1, and Gitea reads UTF-8.
    user, token = (SECRET[name].encode().decode("latin-1") for name in ("REGISTRY_USER", "REGISTRY_TOKEN"))
    return Settings(
        repository_url=REGISTRY,
        username=user,
        password=token,
        cacert=os.environ.get("TWINE_CERT"),
        client_cert=os.environ.get("TWINE_CLIENT_CERT"),
        config_file=os.devnull,
        non_interactive=True,
        disable_progress_bar=True,
    ).create_repository()


def tried(call: Callable[[], Response]) -> tuple[int, str]:
    """Returns the status (0: no answer) and the text of a call, which is made again after a failure that passes."""
    for pause in (*PAUSES, 0):
        try:
            answer = call()
            status, text, wait = answer.status_code, answer.text.strip(), Retry().get_retry_after(answer.raw) or pause
        except RequestException as error:
            status, text, wait = 0, str(error), pause
        if (0 < status < 500 and status != 429) or not pause:
            break
        if wait > pause:
            say(f"the registry asks to wait {wait:.0f} seconds ({status})")
        time.sleep(min(wait, LONGEST))
    return status, text


def ask(method: str, url: str, form: dict[str, str] | None = None) -> tuple[int, str]:
    """Asks the registry. Returns the status and the text."""
    parts = {name: (None, value) for name, value in form.items()} if form else None
    return tried(lambda: session().session.request(method, url, files=parts, allow_redirects=False, timeout=30))


def send(path: Path) -> tuple[int, str]:
    """Uploads a file. Returns the status and the text."""
    return tried(lambda: session().upload(PackageFile.from_filename(str(path), None), 1))


def unreadable(path: Path) -> str:
    """Returns why twine cannot read a file, empty if it can."""
    try:
        PackageFile.from_filename(str(path), None).metadata_dictionary()
    except Exception as error:  # whatever the backend packed
        return str(error) or type(error).__name__
    return ""


def listed(text: str) -> dict[str, str]:
    """Returns the files of an index page, with their sha256. A link's host, the one for people, does not count."""
    return dict(re.findall(r'[/"]([^/"#]+)#sha256=([0-9a-f]{64})"', text))


def versions(files: dict[str, str]) -> dict[str, Version]:
    """Returns the version of each file that has one in its name."""
    found = dict[str, Version]()
    for file in files:
        with suppress(InvalidWheelFilename, InvalidSdistFilename):
            found[file] = parse_wheel_filename(file)[1] if file.endswith(".whl") else parse_sdist_filename(file)[1]
    return found


def refusal(status: int, text: str) -> str:
    """Returns what to change after the registry's refusal of an upload."""
    owner = REGISTRY.rpartition("/api/packages/")[2].removesuffix("/pypi")
    said = f" It says: {text[:300]}" if text and "<" not in text else ""
    if "reqPackageAccess" in text:
        advice = f"give the token the scope write:package and its account a team of {owner} with Packages: write."
        return f"Gitea knows REGISTRY_TOKEN, but it may not publish for {owner}: {advice}"
    proxied = [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]
    proxy = f" A proxy is set ({', '.join(proxied)}), and may be what refuses." if proxied else ""
    trust = "add the authority of its certificate to the runner's image."
    up = trust if "CERTIFICATE" in text else "see that Gitea is up at this address."
    limit = f"the file is over the quota of {owner}, or larger than Gitea or a proxy in front of it accepts"
    return {
        0: f"no answer from {REGISTRY} ({text[:300]}): {up}{proxy}",
        400: f"the registry does not accept this file: correct {project()[0]}.{said}",
        401: "Gitea does not know REGISTRY_TOKEN: put a token with the scope write:package into it.",
        403: f"the registry refuses REGISTRY_TOKEN, or {limit}: see which in Gitea.{said}{proxy}",
        404: f"{REGISTRY}: no such owner, or packages are switched off: correct one of them.",
        413: f"{limit}: raise it.{said}",
    }.get(status, f"{REGISTRY} answered {status}: see that this is Gitea's address.{said}{proxy}")
