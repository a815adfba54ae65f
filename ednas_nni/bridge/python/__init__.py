"""Searches that are driven from Python: NNI's `NasExperiment` with our journal, engines and trials."""
