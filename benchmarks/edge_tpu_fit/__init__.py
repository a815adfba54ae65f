"""What the Edge TPU's model is fitted to: published networks as layer lists, and the fit."""
