"""Contract suites for plugin authors; import the one you need."""
