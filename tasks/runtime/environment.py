"""What changes the last bits of scores besides software: instruction sets, threads, variables.

Libraries choose their kernels by these, and kernels differ in the order of sums. The variables
are only recorded, without host names and paths.
"""

import json
import os
import platform
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "DNNL_CPU_ISA_HINTS",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "GLIBC_TUNABLES",
    "KMP_DETERMINISTIC_REDUCTION",
    "MKL_CBWR",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_DYNAMIC",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_NUM_THREADS",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_DYNAMIC",
    "OMP_NUM_THREADS",
    "ONEDNN_CPU_ISA_HINTS",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "OPENCV_CPU_DISABLE",
    "OPENCV_IPP",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)
PLAIN = re.compile(r"[\w.,:;=+\- ]{1,200}")  # what a value may be to be written down
INSTRUCTIONS = re.compile(r"(sse|ssse|avx|amx|fma|f16c|bmi|asimd|sve|neon|vsx)")
CPUINFO = Path("/proc/cpuinfo")


def environment_now(variables: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The environment of this process, as a run records it. Loads torch."""
    import torch  # noqa: PLC0415 - a run that computes no score should not load it

    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "instructions": _instructions(),
        "torch_cpu": torch.backends.cpu.get_cpu_capability(),
        "torch_threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "variables": {
            name: value if PLAIN.fullmatch(value) else "(set)"
            for name in VARIABLES
            if (value := variables.get(name)) is not None
        },
    }


def recorded_environment(text: str | None) -> dict[str, Any] | None:
    """What a run recorded; None where it recorded none, or no object."""
    try:
        found = json.loads(text or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What differs of two environments: name -> [recorded, now]. Variables stand by their names."""
    before, after = (_flat(each) for each in (recorded, now))
    return {
        name: [before.get(name), after.get(name)]
        for name in sorted(before | after)
        if before.get(name) != after.get(name)
    }


def _flat(environment: Mapping[str, Any]) -> dict[str, Any]:
    variables = environment.get("variables")
    flat = {name: value for name, value in environment.items() if name != "variables"}
    return flat | (variables if isinstance(variables, dict) else {})


@cache
def _cpuinfo() -> dict[str, str]:
    """The first processor as Linux describes it; empty elsewhere."""
    try:
        lines = CPUINFO.read_text(errors="replace").split("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = [line.partition(":") for line in lines]
    return {name.strip(): value.strip() for name, _, value in pairs}


def _processor() -> str:
    found = _cpuinfo()
    name = found.get("model name") or found.get("CPU part") or platform.processor()
    return name if name.isascii() and name.isprintable() and len(name) < 100 else "unknown"


def _instructions() -> str:
    """The instruction sets that sums depend on, in order, as one line."""
    found = _cpuinfo()
    flags = (found.get("flags") or found.get("Features") or "").split()
    return " ".join(sorted(flag for flag in flags if INSTRUCTIONS.match(flag)))
