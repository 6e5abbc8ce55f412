"""Checks the addresses that the answers of a package name. No token is sent to any of them: a repository names them."""

import asyncio
import os
import re

import httpx
from findings import Finding
from forge import TIMEOUT, Failed, bounded
from look import Findings, Look


async def anonymous(url: str) -> httpx.Response:
    """Returns what an address answers, without any token: it comes out of a repository.

    Raises:
        Failed: it does not answer, or is no address.
    """
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT) as client:
            return await bounded(client, "GET", url, {})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Failed(f"no answer from {url}: {type(error).__name__}"[:160]) from None


async def own_address(url: str) -> str:
    """Returns the address that a Gitea has for itself (ROOT_URL), or an empty text if it does not say it."""
    answer = await anonymous(f"{url}/.well-known/openid-configuration")
    try:
        return str(answer.json()["authorization_endpoint"]).removesuffix("/login/oauth/authorize")
    except (ValueError, LookupError, TypeError):
        return ""


async def root_url(look: Look) -> Findings:
    """Do the links in the index lead where installers are sent?"""
    mine, url = await own_address(look.server), look.answer("gitea_url")
    if not (mine and url):
        yield Finding("unknown", "whether ROOT_URL is gitea_url")
    elif mine == url:
        yield Finding("ok", f"ROOT_URL is gitea_url: {url}")
    else:
        fix = f"set ROOT_URL = {url}/ in app.ini, or update the package with --data gitea_url={mine}"
        yield Finding("wrong", f"ROOT_URL is {mine}, and gitea_url is {url}: installers follow links to the first", fix)


async def internal_url(look: Look) -> Findings:
    """Does the address that the workflow uses lead to the same server?"""
    url = look.answer("gitea_internal_url")
    if not url or url == look.answer("gitea_url"):
        return
    try:
        theirs = await own_address(url)
    except Failed as error:
        yield Finding("unknown", f"gitea_internal_url: {error}", "run this where the runner is")
        return
    if theirs and theirs == await own_address(look.server):
        yield Finding("ok", f"gitea_internal_url is the same server: {url}")
    else:
        yield Finding("wrong", f"gitea_internal_url is another server, or none: {url}", "correct that answer")
    if url.startswith("http://"):
        text = "gitea_internal_url is plain http: whoever listens there can read REGISTRY_TOKEN"
        yield Finding("note", text, "use https where the network is shared")


async def ntfy(look: Look) -> Findings:
    """Does ntfy answer?"""
    if not (url := look.answer("ntfy_url")):
        yield Finding("note", "results are sent nowhere: ntfy_url is empty")
        return
    try:
        good = (await anonymous(f"{url}/v1/health")).json().get("healthy") is True
    except (Failed, ValueError, AttributeError):
        good = False
    if good:
        yield Finding("ok", f"ntfy answers: {url}")
    else:
        yield Finding("wrong", f"no ntfy answers at {url}", "start it, or correct ntfy_url (empty: no messages)")


async def template(look: Look) -> Findings:
    """Can the update workflow read the template?"""
    source = look.answer("_src_path").removeprefix("git+")
    if not source:
        return
    if not re.match(r"https?://", source):
        text = f"whether updates can read the template: {source[:80]}"
        yield Finding("unknown", text, "a path of your machine cannot be read by the workflow: copy from its address")
        return
    git = ("git", "-c", "credential.helper=", "ls-remote", "--exit-code", "--", source, "HEAD")
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "SSH_ASKPASS": "true"}
    quiet = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(*git, env=environment, stdin=quiet, stdout=quiet, stderr=quiet)
    except OSError:
        yield Finding("unknown", "whether updates can read the template: git is not installed", "install git")
        return
    try:
        code = await asyncio.wait_for(process.wait(), 30)
    except TimeoutError:
        process.kill()
        code = await process.wait()
    if code == 0:
        yield Finding("ok", f"updates can read the template: {source}")
    elif look.secrets is None:
        yield Finding("unknown", f"whether updates can read the template: {source} needs a token")
    elif "TEMPLATE_READ_TOKEN" in look.secrets:
        yield Finding("ok", "the template needs a token, and the secret TEMPLATE_READ_TOKEN is there")
    else:
        fix = "set the secret TEMPLATE_READ_TOKEN (scope read:repository), or make the template public"
        yield Finding("wrong", f"updates cannot read the template: {source}", fix)
