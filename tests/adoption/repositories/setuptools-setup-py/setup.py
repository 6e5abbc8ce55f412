from setuptools import find_packages, setup

setup(
    name="Greeter_Tools",
    version='1.8.2',
    description="Greets people",
    long_description=open("README.rst").read(),
    author="Ops", author_email="ops@example.org",
    packages=find_packages(exclude=["tests"]),
    package_data={"greeter_tools": ["templates/*.txt"]},
    python_requires=">=3.10",
    install_requires=["packaging>=23", "colorama; sys_platform == 'win32'"],
    extras_require={"plugins": ["pluggy>=1.5"]},
    entry_points={"console_scripts": ["greet=greeter_tools.main:main"]},
)
