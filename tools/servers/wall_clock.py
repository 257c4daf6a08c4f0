"""A wall clock that can be set while a server runs: for that server alone, and without any right to do so.

A library that the loader puts before the system's (LD_PRELOAD) adds what a file says to every reading of the wall
clock. Clocks that count from the start of the machine are left alone, as setting the time leaves them alone.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const long long *ahead;
static int (*real_get)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("WALL_CLOCK_AHEAD");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    real_get = dlsym(RTLD_NEXT, "clock_gettime");
    if (file >= 0) {
        void *found = mmap(NULL, sizeof(long long), PROT_READ, MAP_SHARED, file, 0);
        if (found != MAP_FAILED) ahead = found;
        close(file);
    }
}

int clock_gettime(clockid_t which, struct timespec *told) {
    if (!real_get) real_get = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real_get(which, told);
    if (!failed && ahead && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) told->tv_sec += *ahead;
    return failed;
}

int gettimeofday(struct timeval *restrict told, void *restrict zone) {
    struct timespec now;
    (void)zone;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    told->tv_sec = now.tv_sec;
    told->tv_usec = now.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *told) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (told) *told = now.tv_sec;
    return now.tv_sec;
}
"""


class WallClock:
    """The wall clock of the processes that are started with ``environment``."""

    def __init__(self, folder: Path) -> None:
        """*folder*: where every user may read. Raises RuntimeError where there is no C compiler."""
        compiler = shutil.which("cc")
        if compiler is None:
            raise RuntimeError("there is no C compiler: a server's wall clock cannot be set")
        source, library, said = (folder / name for name in ("wall_clock.c", "wall_clock.so", "wall_clock"))
        source.write_text(_SOURCE)
        line = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
        subprocess.run(line, check=True, capture_output=True)  # noqa: S603 - the system's compiler, on our own text
        said.write_bytes(bytes(8))
        library.chmod(0o755)
        said.chmod(0o644)
        with said.open("r+b") as file:
            self._ahead = mmap.mmap(file.fileno(), 8)
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK_AHEAD": str(said)}
        """What a process has to be started with."""

    def set_ahead(self, seconds: int) -> None:
        """From now on it is so many *seconds* ahead of the true time; behind, where they are negative."""
        self._ahead[:8] = struct.pack("q", seconds)

    def close(self) -> None:
        """It cannot be set any more."""
        self._ahead.close()
