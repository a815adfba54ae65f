"""Strip convolutions as a block of EDNAS."""
