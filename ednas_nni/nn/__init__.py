"""Building blocks of multi-task model spaces on NNI, and the reading of any NNI model space."""
