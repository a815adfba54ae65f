"""Trials forked from a process that has imported everything already.

A plain trial spends most of its start importing torch, Lightning and nni.nas. A **server** (`server`) imports them once
and forks a child per trial; the Advisor starts and watches it (`starter`). What NNI starts for a trial stays the same
command: `python -m ednas_nni.bridge.trial` first asks the server (`client`, standard library only) and trains in its
own process where there is none: another machine, `trial_start: plain`, a server that died, code that was changed.

The child (`child`) becomes the trial that NNI started: its environment, folder, output, identity and random numbers.
The parent never runs a parallel region and never touches a GPU, since neither survives a fork.
"""
