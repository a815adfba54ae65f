"""A search space, a label kind and a task of a distribution of its own: `pip install .`, then studies may name them."""

from setuptools import setup

setup(
    name="ednas-strip-space",
    version="0.1",
    description="Networks of strip convolutions as a search space of EDNAS, and saliency as a label and a task",
    python_requires=">=3.10,<3.12",
    packages=["strip_space", "saliency"],
    install_requires=["ednas-nni"],
    entry_points={
        "ednas_nni.search_spaces": ["strip = strip_space:strip"],
        "ednas_nni.label_kinds": ["saliency = saliency:Saliency"],
        "ednas_nni.tasks": ["saliency = saliency:SaliencyTask"],
    },
)
