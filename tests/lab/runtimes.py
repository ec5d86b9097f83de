# SPDX-License-Identifier: GPL-2.0-only
"""Container runtimes other than Docker, the real ones, on the lab's host. All
their folders are the lab's own, below /run."""

import copy
import hashlib
import io
import json
import os
import platform
import subprocess
import tarfile

from cri import Cri
from lab import LabError, control_groups, end_process, make_rootfs, mark, \
    remove_group, wait_for

USER, UID = "alice", 54321
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}
SLEEP = ("/bin/sleep", "1000000")

# Ulimits and the runtime are those of a machine that may not raise limits and
# has both kinds of control groups.
CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""
STORAGE_CONF = """
[storage]
driver = "overlay"
graphroot = "/run/lab/podman/storage"
runroot = "/run/containers/storage"
"""
# The folders are Debian's; nobody here may lower an OOM score.
# Not the usual socket: a dockerd that starts would take this for its containerd.
CONTAINERD_SOCK = "/run/lab/containerd.sock"
CONTAINERD_CONF = f"""
version = 2
[grpc]
address = "{CONTAINERD_SOCK}"
[plugins."io.containerd.internal.v1.opt"]
path = "/run/lab/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/lab:latest"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "/etc/cni/lab"
"""
CNI_CONF = """{"cniVersion": "0.4.0", "name": "pods", "plugins": [
{"type": "bridge", "bridge": "br-pods", "isGateway": true, "ipam": {"type": "host-local",
"ranges": [[{"subnet": "10.90.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}],
"dataDir": "/run/lab/cni"}}]}
"""
USERS_STORAGE_CONF = """
[storage]
driver = "vfs"
"""


def rootfs(lab):
    path = os.path.join(lab.tmp, "rootfs")
    if not os.path.exists(path):
        make_rootfs(path)
    return path


class Podman:
    """Podman as root or, rootless, as a user who exists on the lab's host only."""

    def __init__(self, lab, user=False):
        self.lab = lab
        self.user = user
        self.service = None
        self.where = ()
        self.home = f"/run/lab/home/{USER}" if user else "/root"
        self._set_up_user() if user else self._set_up_root()
        self.sh(f"tar -C {rootfs(lab)} -c . | podman import - lab")

    def _set_up_root(self):
        # Its cache and CNI's addresses; no more than these folders stays.
        self.lab.run(["sh", "-ec", "for dir in /var/lib/containers /var/lib/cni; do "
                      "mkdir -p $dir; mount -t tmpfs nswatch-lab $dir; done"])
        self.lab.write("/etc/containers/containers.conf", CONTAINERS_CONF)
        self.lab.write("/etc/containers/storage.conf", STORAGE_CONF)

    def _set_up_user(self):
        run = f"/run/user/{UID}"
        self.lab.run(["sh", "-c", f"""set -e
            chmod 755 /run /run/lab
            mkdir -p /run/lab/home /run/user
            echo '{USER}:x:{UID}:{UID}::{self.home}:/bin/sh' >>/etc/passwd
            echo '{USER}:x:{UID}:' >>/etc/group
            echo {USER}:200000:65536 >>/etc/subuid
            echo {USER}:200000:65536 >>/etc/subgid
            install -d -o {UID} -g {UID} -m 700 {self.home} {run}"""])
        self.sh(f"mkdir -p .config/containers && cat >.config/containers/storage.conf <<'END'\n"
                f"{USERS_STORAGE_CONF}END")

    def _words(self, command):
        if not self.user:
            return command
        return ["setpriv", "--reuid", UID, "--regid", UID, "--init-groups", "--", *command]

    def _env(self):
        env = {"HOME": self.home}
        if self.user:
            env.update(USER=USER, XDG_RUNTIME_DIR=f"/run/user/{UID}", TMPDIR=self.home)
        return env

    def sh(self, script, **kw):
        return self.lab.run(self._words(["sh", "-c", script]), env=self._env(),
                            cwd=self.home, **kw)

    def cli(self, *args, **kw):
        return self.lab.run(self._words(["podman", *self.where, *args]), env=self._env(),
                            cwd=self.home, **kw)

    def _group(self):
        return [] if self.user else ["--cgroup-parent", f"/nswatch-lab-{mark()}"]

    def run(self, name, *options, command=SLEEP):
        """Starts a container; returns its main process's pid."""
        # The lab ends what is left of it by the variable or by the group.
        self.cli("run", "-d", "--name", name, "-e", f"NSWATCH_LAB={mark()}",
                 *([] if "--pod" in options else self._group()), *options, "lab", *command)
        return self.pid(name)

    def pid(self, name):
        return self.inspect(name)["State"]["Pid"]

    def inspect(self, name):
        return json.loads(self.cli("inspect", name).stdout)[0]

    def pod(self, name):
        self.cli("pod", "create", "--name", name, *self._group(), "--infra-image", "lab",
                 "--infra-command", " ".join(SLEEP))

    def elsewhere(self, name):
        """The same, with a storage of its own that nothing but its commands names."""
        other = copy.copy(self)
        root = f"/run/lab/podman-{name}"
        other.where = ("--root", f"{root}/storage", "--runroot", f"{root}/run",
                       "--tmpdir", f"{root}/tmp")
        other.sh(f"tar -C {rootfs(self.lab)} -c . | podman {' '.join(other.where)} "
                 "import - lab")
        return other

    def start_service(self, sock):
        self.service = self.lab.popen(self._words(
            ["podman", *self.where, "system", "service", "-t", "0", f"unix://{sock}"]),
            env=self._env())
        wait_for("podman's service", lambda: self.lab.run(
            ["test", "-S", sock], check=False).returncode == 0)
        return sock

    def close(self):
        end_process(self.service)
        self.cli("pod", "rm", "-f", "-t", "0", "-a", check=False)
        self.cli("rm", "-f", "-t", "0", "-a", check=False)
        if self.user:  # the process that holds its user namespace
            self.sh(f"kill -9 $(cat /run/user/{UID}/libpod/tmp/pause.pid)", check=False)
        for group in control_groups():
            if group.endswith(f"nswatch-lab-{mark()}"):
                remove_group(group)


def write_image(lab):
    """An archive in the OCI image layout: the root file system and a command."""
    layer, path = os.path.join(lab.tmp, "layer.tar"), os.path.join(lab.tmp, "image.tar")
    subprocess.run(["tar", "-C", rootfs(lab), "--owner=0", "--group=0", "-cf", layer, "."],
                   check=True)
    blobs, kind = {}, "application/vnd.oci.image"

    def blob(data, media_type, **more):
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"mediaType": f"{kind}.{media_type}", "digest": f"sha256:{digest}",
                "size": len(data), **more}

    def text(value):
        return json.dumps(value).encode()

    with open(layer, "rb") as f:
        top = blob(f.read(), "layer.v1.tar")
    config = blob(text({
        "architecture": ARCH[platform.machine()], "os": "linux",
        "config": {"Cmd": list(SLEEP)},
        "rootfs": {"type": "layers", "diff_ids": [top["digest"]]}}), "config.v1+json")
    manifest = blob(text({"schemaVersion": 2, "config": config, "layers": [top]}),
                    "manifest.v1+json", annotations={
                        "io.containerd.image.name": "localhost/lab:latest"})
    blobs["index.json"] = text({"schemaVersion": 2, "manifests": [manifest]})
    blobs["oci-layout"] = text({"imageLayoutVersion": "1.0.0"})
    with tarfile.open(path, "w") as tar:
        for name, data in blobs.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


class Containerd:
    """containerd; `ctr` its client, and what a kubelet would ask it for."""

    def __init__(self, lab):
        self.lab = lab
        self.tasks = []
        self.pods = []
        self.log = os.path.join(lab.tmp, "containerd.log")
        lab.run(["mkdir", "-p", "/etc/containerd"])
        lab.write("/etc/containerd/config.toml", CONTAINERD_CONF)
        lab.write("/etc/cni/lab/pods.conflist", CNI_CONF)
        self.start_daemon()

    def _is_up(self):
        if self.daemon.poll() is not None:
            with open(self.log) as f:
                raise LabError("containerd does not run: " + f.read()[-2000:])
        return self.ctr("default", "version", check=False).returncode == 0

    def ctr(self, namespace, *args, **kw):
        return self.lab.run(["ctr", "-a", CONTAINERD_SOCK, "-n", namespace, *args], **kw)

    def run(self, namespace, name, *options, command=SLEEP):
        self.tasks.append((namespace, name))
        self.ctr(namespace, "run", "-d", "--rootfs", "--cgroup",
                 f"/nswatch-lab-{mark()}/{name}", "--env", f"NSWATCH_LAB={mark()}",
                 *options, rootfs(self.lab), name, *command)
        return self.pid(namespace, name)

    def pid(self, namespace, name):
        for line in self.ctr(namespace, "task", "ls").stdout.splitlines()[1:]:
            words = line.split()
            if words[0] == name:
                return int(words[1])
        raise LabError(f"{namespace}/{name} has no task")

    def pod(self, namespace, name, *containers):
        """A pod by the Container Runtime Interface; its sandbox's pid."""
        if not self.pods:
            self.ctr("k8s.io", "image", "import", write_image(self.lab))
        cri = Cri(self.lab, CONTAINERD_SOCK)
        config, sandbox = cri.run_pod(namespace, name, f"/nswatch-lab-{mark()}")
        self.pods.append(sandbox)
        for each in containers:
            cri.run_container(sandbox, config, each, "localhost/lab:latest", SLEEP)
        return self.pid("k8s.io", sandbox)

    def start_daemon(self):
        with open(self.log, "ab") as out:
            self.daemon = self.lab.popen(["containerd"], stdout=out, stderr=out)
        wait_for("containerd", self._is_up, timeout=30, step=0.05)

    def stop_daemon(self):
        end_process(self.daemon)

    def close(self):
        for sandbox in self.pods:
            Cri(self.lab, CONTAINERD_SOCK).remove_pod(sandbox)
        for namespace, name in self.tasks:
            self.ctr(namespace, "task", "rm", "-f", name, check=False)
            self.ctr(namespace, "container", "rm", name, check=False)
        end_process(self.daemon)
        for group in control_groups():
            if group.endswith(f"nswatch-lab-{mark()}"):
                remove_group(group)


class Nspawn:
    """One machine of systemd-nspawn, not registered: there is no machined."""

    def __init__(self, lab, name):
        tree = os.path.join(lab.tmp, f"machine-{name}")
        make_rootfs(tree)
        os.makedirs(os.path.join(tree, "usr"), exist_ok=True)
        with open(os.path.join(tree, "etc/os-release"), "w") as f:
            f.write("ID=lab\n")
        self.lab = lab
        self.log = os.path.join(lab.tmp, f"{name}.log")
        with open(self.log, "wb") as out:
            self.process = lab.popen(
                ["systemd-nspawn", "--register=no", "--keep-unit", "-M", name,
                 "--private-network", "-D", tree, *SLEEP], stdout=out, stderr=out)
        self.pid = wait_for("the machine", self._leader)

    def _leader(self):
        """nspawn's child, once that has become the command."""
        if self.process.poll() is not None:
            with open(self.log) as f:
                raise LabError("systemd-nspawn does not run: " + f.read())
        words = self.lab.run(["ps", "-o", "pid=,comm=", "--ppid", self.process.pid],
                             check=False).stdout.split()
        return int(words[0]) if words[1:] == ["sleep"] else None

    def close(self):
        end_process(self.process)
