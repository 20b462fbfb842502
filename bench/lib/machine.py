"""What the machine is, and whether something else used it while a measurement ran."""
import os
import pathlib
import platform
import subprocess
import time

FLAGS = ("avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_bf16", "amx_int8")
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_fields():
    """The first processor of /proc/cpuinfo, as a dictionary."""
    fields = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines():
        key, _, value = line.partition(":")
        fields[key.strip()] = value.strip()
    return fields


def isa_name(flags):
    """The best instruction set that gemvec has kernels for, by the processor's flags."""
    if {"avx512_bf16", "amx_int8", "amx_bf16"} <= set(flags):
        return "amx"
    if "avx512_bf16" in flags:
        return "avx512bf16"
    if "avx512f" in flags and "avx512bw" in flags:
        return "avx512"
    return "avx2" if "avx2" in flags and "fma" in flags else "scalar"


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def facts():
    """The machine, without anything that names it."""
    fields = cpu_fields()
    present = set(fields.get("flags", "").split())
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    release = dict(
        line.split("=", 1) for line in pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line
    )
    return {
        "cpu": fields.get("model name", platform.machine()),
        "cpu_family_model": f"{fields.get('cpu family', '?')}/{fields.get('model', '?')}",
        "flags": [flag for flag in FLAGS if flag in present],
        "isa": isa_name(present),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(pages / 2**30, 1),
        "virtual": "hypervisor" in present,
        "system": release.get("PRETTY_NAME", "unknown").strip('"'),
        "kernel": platform.release().split("-")[0],
        "compiler": first_line("g++", "--version"),
    }


def is_bf16_machine(flags):
    return "avx512_bf16" in flags or "amx_bf16" in flags


def is_vnni_machine(flags):
    return "avx512_vnni" in flags or "avx_vnni" in flags


class Usage:
    """Processor time of the whole machine and of one process, to see what others took of it in between."""

    def __init__(self, pid):
        values = [int(v) for v in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        user, nice, system, idle, iowait, irq, softirq, steal = values
        self.busy = (user + nice + system + irq + softirq + steal) / TICKS
        self.total = sum(values) / TICKS
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        self.own = (int(stat[11]) + int(stat[12])) / TICKS

    def foreign_share(self, later):
        """Share of the machine's processor time from here to `later` that went to anyone but the process."""
        total = later.total - self.total
        if total <= 0:
            return 0.0
        return max(0.0, (later.busy - self.busy) - (later.own - self.own)) / total


def wait_until_idle(pid, seconds, window=0.5):
    """Until the process takes less than a tenth of a core's time, for at most `seconds`; whether it came to that."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        before = Usage(pid)
        time.sleep(window)
        if Usage(pid).own - before.own < 0.1 * window:
            return True
    return False


def memory_mb(pid):
    """{"peak": resident memory at its highest (VmHWM), "private": now, without mapped files (RssAnon)}"""
    fields = {}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        key, _, value = line.partition(":")
        fields[key] = value.split()
    return {"peak": int(fields["VmHWM"][0]) / 1000 * 1.024, "private": int(fields["RssAnon"][0]) / 1000 * 1.024}
