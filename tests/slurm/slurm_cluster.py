"""A one-node Slurm with two made-up GPUs, as background processes of the tests.

munge, slurmctld and slurmd on the loopback device, and slurmdbd with a MariaDB of its own where
jobs are to be accounted for. /etc/slurm is a link into the cluster's folder while it runs, because
the plugin's jobs drop SLURM_CONF; what was there comes back at the end.
"""

import ctypes
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

ETC = Path("/etc/slurm")
KEPT = Path("/etc/slurm.before-tests")
NEEDED = ("munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd", "mariadb-install-db")
#: What the node claims to have: more than the machine, so that slurm/partitions.yaml can be used.
CPUS, MEMORY_MB, GPUS = 8, 64000, 2
UP_WITHIN_S = 90

SLURM_CONF = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={folder}/etc/task_prolog
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
MinJobAge=86400
KillWait=10
GresTypes=gpu
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:fake:{gpus}
PartitionName=cpu Nodes={host} Default=YES MaxTime=1440 State=UP
PartitionName=gpu Nodes={host} MaxTime=2880 State=UP
"""
ACCOUNTING = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports[2]}
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
"""
NO_ACCOUNTING = "AccountingStorageType=accounting_storage/none\n"
SLURMDBD_CONF = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={ports[2]}
SlurmUser=root
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={ports[3]}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct
"""
# Two devices that every machine has stand in for GPUs; a count without files drains the node.
GRES_CONF = """
AutoDetect=off
Name=gpu Type=fake File=/dev/null
Name=gpu Type=fake File=/dev/zero
"""
# Runs before every task: what the task sees of the GPUs.
TASK_PROLOG = """#!/bin/sh
echo "$SLURM_JOB_ID ${{CUDA_VISIBLE_DEVICES-none}}" >> {folder}/devices
"""


class Cluster:
    """A running cluster; use it as a context manager."""

    def __init__(self, folder: Path, accounting: bool) -> None:
        self.folder = folder
        self.accounting = accounting
        self._daemons: list[subprocess.Popen] = []
        self._values = {
            "host": socket.gethostname().split(".")[0],
            "folder": folder,
            "ports": _free_ports(4),
            "cpus": CPUS,
            "memory": MEMORY_MB,
            "gpus": GPUS,
        }

    def __enter__(self) -> "Cluster":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for job in self._running_jobs():
            subprocess.run(["scancel", job], capture_output=True, timeout=30, check=False)
        for daemon in reversed(self._daemons):
            _end(daemon)
        _end_left_behind(self.folder)
        restore_etc()

    def _start(self) -> None:
        etc = self.folder / "etc"
        for name in ("etc", "state", "spool"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        conf = SLURM_CONF + (ACCOUNTING if self.accounting else NO_ACCOUNTING)
        self._write(etc / "slurm.conf", conf)
        self._write(etc / "gres.conf", GRES_CONF)
        self._write(etc / "task_prolog", TASK_PROLOG, 0o755)
        (self.folder / "devices").touch()
        replace_etc(etc)
        self._run(
            *("munged", "--foreground", "--force", f"--key-file={key}"),
            f"--socket={self.folder}/munge.socket",
            f"--pid-file={self.folder}/munged.pid",
            f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munged.seed",
        )
        _wait("munge", lambda: (self.folder / "munge.socket").exists())
        if self.accounting:
            self._start_database()
        self._run("slurmctld", "-D", "-i", "-f", str(etc / "slurm.conf"))
        _wait("slurmctld", lambda: "UP" in _output("scontrol", "ping"))
        host = str(self._values["host"])
        self._run("slurmd", "-D", "-N", host, "-f", str(etc / "slurm.conf"))
        _wait("slurmd", lambda: "idle" in _output("sinfo", "-h", "-o", "%t"))

    def _start_database(self) -> None:
        data = self.folder / "mysql"
        port = self._values["ports"][3]
        command = ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}"]
        more = ["--auth-root-authentication-method=socket", "--skip-test-db"]
        subprocess.run([*command, *more], check=True, capture_output=True, timeout=300)
        sql = self.folder / "init.sql"
        sql.write_text(
            "CREATE DATABASE IF NOT EXISTS slurm_acct;\n"
            "CREATE USER IF NOT EXISTS slurm@'127.0.0.1' IDENTIFIED BY 'slurm';\n"
            "GRANT ALL ON slurm_acct.* TO slurm@'127.0.0.1';\n"
        )
        self._run(
            *("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}"),
            *("--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve"),
            f"--socket={self.folder}/mysql.socket",
            f"--pid-file={self.folder}/mariadb.pid",
            f"--init-file={sql}",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=16M",
        )
        _wait("mariadbd", lambda: _listens(port))
        self._write(self.folder / "etc" / "slurmdbd.conf", SLURMDBD_CONF, 0o600)
        self._run("slurmdbd", "-D")
        _wait("slurmdbd", lambda: _listens(self._values["ports"][2]))

    def _write(self, path: Path, text: str, mode: int = 0o644) -> None:
        path.write_text(text.format(**self._values))
        path.chmod(mode)

    def _run(self, program: str, *arguments: str) -> None:
        found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        assert found, f"{program} is not installed"
        with open(self.folder / f"{program}.out", "ab") as log:
            self._daemons.append(
                subprocess.Popen(
                    [found, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    start_new_session=True,
                    preexec_fn=_end_with_parent,
                )
            )

    def jobs(self) -> list[dict[str, str]]:
        """Every job since the start, oldest first, as `scontrol show job` describes it.

        `rule` is taken from the comment, `mb` is the memory that was asked for.
        """
        found = []
        for line in _output("scontrol", "--oneliner", "--details", "show", "jobs").splitlines():
            fields = dict(re.findall(r"(\w[\w/:]*)=(\S*)", line))
            if "JobId" not in fields:
                continue
            comment = re.search(r"Comment=rule_(\w+?)_wildcards", line)
            fields["mb"] = _mb(fields["MinMemoryNode"])
            fields["rule"] = comment[1] if comment else ""
            found.append(fields)
        return sorted(found, key=lambda fields: int(fields["JobId"]))

    def seen_devices(self) -> dict[str, set[str]]:
        """Job id to the values of CUDA_VISIBLE_DEVICES that its tasks saw ("none": not set)."""
        seen: dict[str, set[str]] = {}
        for line in (self.folder / "devices").read_text().splitlines():
            job, _, value = line.partition(" ")
            seen.setdefault(job, set()).add(value)
        return seen

    def _running_jobs(self) -> list[str]:
        with suppress(Exception):
            return _output("squeue", "-h", "-o", "%A").split()
        return []

    def logs(self) -> str:
        """The end of every daemon's log, for a test that failed."""
        files = sorted([*self.folder.glob("*.log"), *self.folder.glob("*.out")])
        return "\n".join(f"== {file.name}\n{file.read_text()[-2000:]}" for file in files)


def replace_etc(etc: Path) -> None:
    """Make /etc/slurm a link to this folder; what was there is kept beside it."""
    restore_etc()
    if ETC.exists() or ETC.is_symlink():
        os.rename(ETC, KEPT)
    ETC.symlink_to(etc)


def restore_etc() -> None:
    """Bring /etc/slurm back, also after tests that were killed."""
    if ETC.is_symlink() and (KEPT.exists() or "slurm-tests" in os.readlink(ETC)):
        ETC.unlink()
    if KEPT.exists() and not ETC.exists():
        os.rename(KEPT, ETC)


def _mb(text: str) -> str:
    """Slurm's 7100M or 8G as a number of MB."""
    return str(int(float(text[:-1]) * {"M": 1, "G": 1024}[text[-1]]))


def missing() -> list[str]:
    """The programs that are not installed."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return [program for program in NEEDED if not shutil.which(program, path=path)]


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout


def _wait(what: str, ready) -> None:
    end = time.monotonic() + UP_WITHIN_S
    while time.monotonic() < end:
        with suppress(OSError, subprocess.SubprocessError):
            if ready():
                return
        time.sleep(0.2)
    raise TimeoutError(f"{what} is not up after {UP_WITHIN_S} s")


def _end_with_parent() -> None:
    """Have the system end this process when the tests die, even by SIGKILL."""
    set_parent_death_signal = 1  # of <sys/prctl.h>
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end(process: subprocess.Popen, patience_s: float = 15) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _end_left_behind(folder: Path) -> None:
    """End steps and jobs of this cluster that outlived slurmd: they name its folder."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, ValueError):
            environment = (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_bytes()
            ours = f"AFTER_SER_TEST_CLUSTER={folder}".encode() in environment
            if ours or (b"slurmstepd" in command and _of(entry, folder)):
                os.kill(int(entry.name), signal.SIGKILL)


def _of(entry: Path, folder: Path) -> bool:
    """Tell whether a slurmstepd belongs to the cluster of this folder."""
    return any(str(folder) in os.readlink(link) for link in (entry / "fd").iterdir())
