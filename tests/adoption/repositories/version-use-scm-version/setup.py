from setuptools import setup

setup(
    name="scm_setup",
    use_scm_version=True,
    setup_requires=["setuptools_scm"],
    description="setup.py has its version from git",
    packages=["scm_setup"],
    python_requires=">=3.10",
)
