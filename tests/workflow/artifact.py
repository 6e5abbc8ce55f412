"""Stands in for actions/upload-artifact and actions/download-artifact, which do not come from an index.

`artifact.py upload NAME PATH` and `artifact.py download NAME PATH` speak the protocol of their third version to the
artifact service that the job's environment names: act's own, as the real ones would.
"""

import json
import os
import sys
import urllib.parse
import urllib.request
from pathlib import Path


def ask(method: str, url: str, data: bytes | None = None) -> bytes:
    """Returns what the artifact service answers."""
    headers = {"Authorization": f"Bearer {os.environ['ACTIONS_RUNTIME_TOKEN']}"}
    # The service is on loopback, whatever proxy there is.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, data, headers, method=method), timeout=60) as answer:
        return answer.read()


def item(url: str, path: str) -> str:
    """Returns the address of an item in a container of files."""
    return f"{url}?{urllib.parse.urlencode({'itemPath': path})}"


def main(action: str, name: str, place: str) -> None:
    """Uploads a folder, or downloads it."""
    service = f"{os.environ['ACTIONS_RUNTIME_URL'].rstrip('/')}/_apis/pipelines/workflows/{os.environ['GITHUB_RUN_ID']}"
    folder = Path(place)
    if action == "upload":
        body = json.dumps({"Type": "actions_storage", "Name": name}).encode()
        container = json.loads(ask("POST", f"{service}/artifacts", body))["fileContainerResourceUrl"]
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert files, f"no files in {folder}"
        for path in files:
            ask("PUT", item(container, f"{name}/{path.relative_to(folder)}"), path.read_bytes())
        ask("PATCH", f"{service}/artifacts?artifactName={name}", b"{}")
        return
    (found,) = (entry for entry in json.loads(ask("GET", f"{service}/artifacts"))["value"] if entry["name"] == name)
    for entry in json.loads(ask("GET", item(found["fileContainerResourceUrl"], name)))["value"]:
        path = folder / Path(entry["path"]).relative_to(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(ask("GET", entry["contentLocation"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
