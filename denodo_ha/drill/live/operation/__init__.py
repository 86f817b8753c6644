"""Operation of sites without a stack of this project: `status`, `drain`, `enable` with --live."""
