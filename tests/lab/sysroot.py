# SPDX-License-Identifier: GPL-2.0-only
"""What Debian has for another machine: a folder to build with and to take programs from.
Nothing in it can be run here."""

import glob
import os
import re
import shutil
import subprocess

from lab import ROOT

PROGRAMS = ["busybox-static", "dash", "dnsmasq-base", "iproute2", "libc-bin", "util-linux"]
GNU = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
SOURCES = ["Makefile", "bpf", "include", "user", "vmlinux.h"]


def run(*cmd, **kw):
    subprocess.run(cmd, stdin=subprocess.DEVNULL, check=True, **kw)


def libraries_to_build_with():
    """Of tools/install-deps."""
    with open(os.path.join(ROOT, "tools", "install-deps")) as f:
        build = re.search(r'^BUILD="([^"]*)"', f.read(), re.M).group(1)
    return [package for package in build.split() if package.endswith("-dev")]


class Sysroot:
    """Debian 12 for that architecture, kept in a folder."""

    def __init__(self, folder, arch):
        self.folder = folder
        self.arch = arch
        self.gnu = GNU[arch]
        self.root = os.path.join(folder, "root")
        self.cc = [f"{self.gnu}-gcc", f"--sysroot={self.root}"]

    def make(self, mirror):
        """Once."""
        if os.path.isdir(self.root):
            return
        os.makedirs(self.folder, exist_ok=True)
        unfinished = f"{self.root}.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        packages = ",".join(libraries_to_build_with() + PROGRAMS)
        with open(os.path.join(self.folder, "debootstrap.log"), "w") as log:
            run("debootstrap", "--foreign", "--variant=minbase", f"--arch={self.arch}",
                f"--include={packages}", "bookworm", unfinished, mirror, stdout=log)
        for package in glob.glob(f"{unfinished}/var/cache/apt/archives/*.deb"):
            run("dpkg", "-x", package, unfinished)
        os.rename(unfinished, self.root)

    def build(self):
        """Builds nswatch for that machine; returns its path."""
        tree = os.path.join(self.folder, "source")
        os.makedirs(tree, exist_ok=True)
        run("cp", "-au", *(os.path.join(ROOT, name) for name in SOURCES), tree)
        lib = f"{self.root}/usr/lib/{self.gnu}/pkgconfig"
        run("make", f"-j{os.cpu_count()}", f"CC={' '.join(self.cc)}", cwd=tree,
            env={**os.environ, "PKG_CONFIG_SYSROOT_DIR": self.root, "PKG_CONFIG_LIBDIR": lib},
            stdout=subprocess.DEVNULL)
        return os.path.join(tree, "nswatch")

    def which(self, program):
        return shutil.which(program, path=":".join(
            self.root + d for d in ("/bin", "/sbin", "/usr/bin", "/usr/sbin")))

    def library(self, name):
        """Its path in there."""
        for folder in (f"/lib/{self.gnu}", f"/usr/lib/{self.gnu}"):
            if os.path.exists(f"{self.root}{folder}/{name}"):
                return f"{folder}/{name}"
        raise FileNotFoundError(name)

    def libraries(self, program):
        """Paths in there of what a program, or a library, is linked with."""
        said = subprocess.run(["readelf", "-dl", program], stdout=subprocess.PIPE, text=True,
                              check=True).stdout
        found = set(re.findall(r"program interpreter: (\S+)\]", said))
        for name in re.findall(r"\(NEEDED\).*\[(\S+)\]", said):
            path = self.library(name)
            found |= {path} | self.libraries(self.root + path)
        return found
