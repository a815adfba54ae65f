"""The device ethos_u: Arm's Ethos-U NPUs by the estimates of Arm's compiler Vela, part by part.

Blocks of the space (devices.parts) are written as int8 files, compiled by Vela in a child process (vela), each in
surroundings like those in a network (parts), and added up (device). Needs the extra `vela`; importing is light.
"""

from devices.ethos_u.device import EthosU

__all__ = ["EthosU"]
