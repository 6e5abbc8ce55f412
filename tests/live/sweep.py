"""Remove what a killed engine, or a killed runner on an engine, leaves: `sweep.py engine NAME`, `sweep.py HOST LABEL`.

The warden runs this once nothing that it started is left.
"""

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import httpx


def files(name: str) -> None:
    """Remove the socket and the control groups of an engine that is gone; they hold no process any more."""
    Path(f"/run/{name}.sock").unlink(missing_ok=True)
    deadline = time.monotonic() + 10
    while found := [*Path("/sys/fs/cgroup").glob(name), *Path("/sys/fs/cgroup").glob(f"*/{name}")]:
        for top in found:
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):  # busy for a moment after the end of its last process
                    os.rmdir(folder)
        if time.monotonic() > deadline:
            sys.exit(f"sweep: {found} stay")


def labelled(host: str, label: str) -> None:
    """Remove the containers, their own volumes and the images that have this label."""
    query = {"filters": json.dumps({"label": [label]})}
    deadline = time.monotonic() + 30
    transport = httpx.HTTPTransport(uds=host.removeprefix("unix://"))
    with httpx.Client(transport=transport, base_url="http://engine", timeout=60) as engine:

        def found(kind: str) -> list[dict[str, Any]]:
            return engine.get(f"/{kind}/json", params={**query, "all": "true"}).json()

        while (containers := found("containers")) or (images := found("images")):
            for container in containers:
                engine.delete(f"/containers/{container['Id']}", params={"force": "true", "v": "true"})
                for mount in container["Mounts"]:
                    if mount["Type"] == "volume" and mount["Name"] != "act-toolcache":
                        engine.delete(f"/volumes/{mount['Name']}")
            for image in [] if containers else images:
                engine.delete(f"/images/{image['Id']}", params={"force": "true"})
            if time.monotonic() > deadline:
                sys.exit(f"sweep: what is labelled {label} stays")


if __name__ == "__main__":
    if sys.argv[1] == "engine":
        files(sys.argv[2])
    else:
        with contextlib.suppress(httpx.TransportError):  # the engine is gone, and all with it
            labelled(*sys.argv[1:])
