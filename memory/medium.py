"""What the file system under a store does with bytes that are overwritten: keep them, or not."""

import os
import sys
from pathlib import Path

# Those that write into the blocks a file has already. Copy-on-write and log-structured ones write
# elsewhere and free the old block as it is; what a network file system does, its server knows.
IN_PLACE = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "jfs", "vfat", "exfat", "ntfs", "ntfs3", "tmpfs", "overlay"}
)


def overwrites(folder: Path) -> bool:
    """Tell whether overwriting a file in this folder surely replaces its bytes on the volume.

    A drive may still keep them below: no program can tell.
    """
    if sys.platform == "win32":
        return True  # NTFS does
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
        device = folder.stat().st_dev
    except OSError:
        return False  # not Linux: APFS, the usual one of macOS, copies on write
    number = f"{os.major(device)}:{os.minor(device)}"
    return any(_overwrites(line) for line in lines if line.split()[2] == number)


def _overwrites(line: str) -> bool:
    # Behind the dash stand the type, the source and the options of the file system itself.
    kind, _, options = line.partition(" - ")[2].split(" ", 2)
    return kind in IN_PLACE and "data=journal" not in options.split(",")
