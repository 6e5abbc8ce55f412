"""A package whose update workflow runs: its Gitea, its runner, the template on the same Gitea."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from act_runner import Run, Runner
from gitea_api import BOT, JOB, Gitea, Repository
from versions import CI, Package, Template, ci_step, rule_added

OLD, NEW = "v1.0.0", "v1.1.0"
BRANCH = f"template/{NEW}"
REPOSITORY, TEMPLATE = "acme/handler-base", "acme/template"
WORKFLOW = ".gitea/workflows/template-update.yaml"
# What must do nothing in the place where it is read: the runner's log, a text on Gitea.
HOSTILE = "fix: closes #1 @everyone ```` <b>x</b> $(touch pwned) ${{ github.token }} ::error::x"


def two_versions(path: Path, env: dict[str, str]) -> Template:
    """Make a template of two versions."""
    template = Template.make(path, env)
    template.tag(OLD.removeprefix("v"), "feat: the first version")
    ci_step(template)
    template.commit("feat: compile every module in the lint job")
    template.edit(CI, "# One run of main", "# Anew.\n# One run of main")
    template.commit(f"{HOSTILE}\n\n::set-output name=version::9.9.9")
    rule_added(template)
    template.tag(NEW.removeprefix("v"), "feat: check for likely bugs (ruff B)")
    return template


@dataclass
class Scene:
    """The whole."""

    gitea: Gitea
    runner: Runner
    package: Package
    template: Template

    ANSWERS: ClassVar = {
        "gitea_url": "http://outside.test",
        "gitea_internal_url": "http://inside.test",
        "gitea_owner": "acme",
        "ntfy_url": "",
    }

    @classmethod
    def make(cls, folder: Path, gitea: Gitea, uvs: Path, template: Template, source: Package) -> "Scene":
        """Put the package and the template on the Gitea."""
        path = folder / "dev" / source.path.name
        shutil.copytree(source.path, path)
        own = Template(folder / "template", template.env)
        shutil.copytree(template.path, own.path)
        package = Package(path, source.env)
        made = cls(gitea, Runner.make(folder / "runner", uvs, Path(source.env["UV_CACHE_DIR"])), package, own)
        gitea.add(*TEMPLATE.split("/"))
        gitea.add(*REPOSITORY.split("/"))
        gitea.job_repository = REPOSITORY
        addresses = {"http://inside.test": gitea.inside, "http://outside.test": gitea.outside}
        addresses[str(template.path)] = f"git+{gitea.outside}/{TEMPLATE}.git"
        for file in (file for file in path.rglob("*") if file.is_file()):
            text = file.read_text()
            for old, new in addresses.items():
                text = text.replace(old, new)
            file.write_text(text)
        assert f"_src_path: {addresses[str(template.path)]}\n" in package.read(".copier-answers.yml")
        package.git("init", "--quiet", "-b", "main")
        package.git("remote", "add", "origin", gitea.bare(REPOSITORY))
        made.push("feat: the first version")
        made.publish()
        return made

    @property
    def repository(self) -> Repository:
        """The package's repository, as the API knows it."""
        return self.gitea.known[REPOSITORY]

    @property
    def pulls(self) -> list[dict[str, Any]]:
        """Its pull requests."""
        return self.repository.pulls

    @property
    def heads(self) -> dict[str, str]:
        """Its branches on the Gitea."""
        return self.gitea.heads(REPOSITORY)

    def push(self, message: str) -> str:
        """Commit what there is in the package and push main."""
        commit = self.package.commit(message)
        self.package.git("push", "--quiet", "origin", "HEAD:main")
        return commit

    def publish(self) -> None:
        """Push the template with its tags."""
        self.template.git("push", "--quiet", "--tags", self.gitea.bare(TEMPLATE), "main")

    def show(self, name: str, branch: str = BRANCH) -> str:
        """Returns a file as a branch on the Gitea has it."""
        return self.package.git("--git-dir", self.gitea.bare(REPOSITORY), "show", f"{branch}:{name}")

    def start(
        self,
        token: str = "",
        ref: str = "main",
        read: str = "",
        workflow: str = WORKFLOW,
        again: str = "false",
        dependencies: str = "false",
        event: str = "workflow_dispatch",
        **variables: str,
    ) -> Any:
        """Start the workflow, by hand or not, with or without the secrets TEMPLATE_TOKEN and TEMPLATE_READ_TOKEN."""
        secrets = {"GITHUB_TOKEN": JOB, "TEMPLATE_TOKEN": token, "TEMPLATE_READ_TOKEN": read}
        secrets = {name: secret for name, secret in secrets.items() if secret}
        how: dict[str, Any] = {"event": event, "workflow": workflow, "ref": f"refs/heads/{ref}"}
        inputs = {"again": again, "dependencies": dependencies}
        how["payload"] = {"inputs": inputs} if event == "workflow_dispatch" else {}
        words = self.runner.command(self.package.path, self.gitea.inside, REPOSITORY, secrets, **how)
        return self.runner.start(words, self.package.path, variables)

    def run(self, token: str = "", ref: str = "main", read: str = "", **how: str) -> Run:
        """Run the workflow, or another one, to its end."""
        return self.runner.finish(self.start(token, ref, read, **how))

    def bot(self, token: str = BOT, read: str = "", **how: str) -> Run:
        """Run the workflow with a bot's token."""
        return self.run(token, read=read, **how)
