"""The name EDNAS in NNI's register of algorithms, so that a YAML may say `tuner: {name: EDNAS}`."""

from __future__ import annotations

from pathlib import Path

from ednas_nni.errors import EdnasError
from ednas_nni.study import ADVISOR

NAME = "EDNAS"


def registered() -> bool:
    """Whether NNI knows the name and it means our Advisor."""
    from nni.tools.package_utils.config_manager import get_algo_meta

    meta = get_algo_meta(NAME)
    return meta is not None and meta.class_name == ADVISOR


def register() -> tuple[Path, bool]:
    """Register the name; doing it again changes nothing. Returns NNI's register file, and whether it was changed.

    EdnasError: the register cannot be written.
    """
    from nni.runtime.config import get_config_directory
    from nni.tools.package_utils.common import AlgoMeta
    from nni.tools.package_utils.config_manager import register_algo_meta

    path = Path(get_config_directory()) / "registered_algorithms.yml"
    if registered():
        return path, False
    meta = AlgoMeta(
        name=NAME,
        alias=None,
        class_name=ADVISOR,
        accept_class_args=True,
        class_args=None,
        validator_class_name=None,
        algo_type="tuner",
        is_advisor=False,  # NNI 3.0 starts tuners and advisors alike; `tuner:` looks among tuners
        is_builtin=False,
        nni_version=None,
    )
    try:
        register_algo_meta(meta)
    except OSError as error:
        raise EdnasError(
            f"{path}: cannot be written ({error.strerror}). Set NNI_CONFIG_DIR to a folder of your own, also where you "
            "start experiments."
        ) from None
    return path, True
