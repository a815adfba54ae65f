"""A search space of its own distribution: `pip install .`, then any study may say `space: strip`."""

from setuptools import setup

setup(
    name="ednas-strip-space",
    version="0.1",
    description="Networks of strip convolutions as a search space of EDNAS",
    python_requires=">=3.10,<3.12",
    packages=["strip_space"],
    install_requires=["ednas-nni"],
    entry_points={"ednas_nni.search_spaces": ["strip = strip_space:strip"]},
)
