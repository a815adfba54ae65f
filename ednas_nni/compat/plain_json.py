"""Whoever speaks to NNI's manager decodes plain JSON.

Fault: nni 3.0, runtime/command_channel/websocket/connection.py and runtime/tuner_command_channel/channel.py: what
arrives is decoded by `nni.load`, which unpickles what `{"__nni_type__": "bytes:..."}` holds. A trial's parameters come
back to the strategy's process with its end, so whoever may add a trial runs code there. Upstream: not reported. Can go
when NNI decodes plain JSON there; a strategy needs no more than numbers (numpy's too, which trials report) and texts.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import json_tricks  # type: ignore[import-untyped]


def apply() -> None:
    """Put `decode` in its place. Light: the Advisor calls it before it connects."""
    import nni
    from nni.runtime.command_channel.websocket import connection
    from nni.runtime.tuner_command_channel import channel

    channel.load = decode
    connection.nni = SimpleNamespace(load=decode, dump=nni.dump)


def decode(text: str) -> object:
    """JSON, with numpy's numbers and arrays."""
    if "__ndarray__" not in text:
        return json.loads(text)
    value: object = json_tricks.loads(text, obj_pairs_hooks=[json_tricks.json_numpy_obj_hook], preserve_order=False)
    return value
