"""The packages in an owner's registry."""

from dataclasses import dataclass, field

import httpx
from forge import Failed, pages
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version


@dataclass
class Package:
    """A package of an owner: its versions with the dates on which they were uploaded."""

    owner: str
    name: str
    repository: str = ""  # the linked one, owner/name
    versions: dict[Version, str] = field(default_factory=dict)

    @property
    def newest(self) -> Version | None:
        """The newest version, a pre-release only if there is nothing else."""
        final = [version for version in self.versions if not version.is_prerelease]
        return max(final or self.versions, default=None)

    def behind(self, version: Version) -> int:
        """Returns how many released versions came after one; a pre-release counts for none."""
        return sum(other > version for other in self.versions if not other.is_prerelease)


async def packages(client: httpx.AsyncClient, owner: str) -> list[Package]:
    """Returns the packages in an owner's registry.

    Raises:
        Failed: it cannot be read.
    """
    found = dict[str, Package]()
    for item in await pages(client, f"packages/{owner}?type=pypi"):
        try:
            name, version = canonicalize_name(item["name"]), Version(item["version"])
            package = found.setdefault(name, Package(owner, name))
            package.versions[version] = str(item["created_at"])[:10]
            package.repository = (item.get("repository") or {}).get("full_name", "")
        except InvalidVersion:
            continue
        except (LookupError, TypeError, AttributeError):
            raise Failed("not an answer of Gitea: a package without a name or version") from None
    return list(found.values())
