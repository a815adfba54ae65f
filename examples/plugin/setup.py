"""A block, a label kind and a task of a distribution of its own: `pip install .`, then studies may name them."""

from setuptools import setup

setup(
    name="ednas-example-plugins",
    version="0.2",
    description="Strip convolutions as a block of EDNAS, and saliency as a label and a task",
    python_requires=">=3.10,<3.12",
    packages=["strip_blocks", "saliency"],
    install_requires=["ednas-nni"],
    entry_points={
        "ednas_nni.blocks": ["strip = strip_blocks.block:Strip"],
        "ednas_nni.label_kinds": ["saliency = saliency:Saliency"],
        "ednas_nni.tasks": ["saliency = saliency:SaliencyTask"],
    },
)
