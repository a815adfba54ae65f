"""What NNI starts for each trial: `trialCommand: python3 -m ednas_nni.bridge.trial` (`__main__`, then `run`)."""
