"""Between NNI's messages and events: the Advisor, its engine, the trial's entry point. No rule of ours lives here."""
