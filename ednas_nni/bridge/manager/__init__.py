"""NNI's manager as a process: starting and stopping it, its experiment file, its REST interface, who can reach it."""
