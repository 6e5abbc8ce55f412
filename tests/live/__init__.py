"""The rendered workflow on a real Gitea: its runner, its registry, its rights."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.scenarios")
