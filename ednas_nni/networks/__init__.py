"""A trained network as a folder: saved, loaded, asked; needs torch, but neither NNI nor the study's data."""
