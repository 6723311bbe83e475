/* Records, in order, every call by which a process changes files below a folder, with its bytes.
 *
 * Loaded with LD_PRELOAD, so that the shipped driver and the real product are what is recorded:
 * databases, logs, ledger, keys, indexes alike. RECORD_ROOT is the folder, RECORD_LOG the file
 * written to. One entry: op (1 byte), file number (8), offset or size (8), length (4), bytes.
 *
 *   C name created     O name opened     M folder made      R old\0new renamed
 *   U name removed     X folder removed  W bytes written    T file cut or grown
 *   S file synced      D folder synced   K mark (bytes)     ! a call that cannot be recorded
 *
 * The call is made first and logged after, both under a lock that other recorded processes take,
 * too. Memory maps are not seen: SQLite maps the -shm file only, which no power cut leaves.
 * RECORD_SPACE makes the disk full: the bytes that the files may grow by in all (one process).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 4096
#define REAL(name) real_##name

static struct {
    char used, folder, append;
    ino_t number;
    char name[PATH_MAX];
} fds[FDS];
static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int depth, log_fd = -1;
static char root[PATH_MAX];
static size_t root_size;
static int64_t space = -1;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static int (*real_ftruncate)(int, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);
static int (*real_unlinkat)(int, const char *, int);
static int (*real_mkdir)(const char *, mode_t);
static int (*real_rmdir)(const char *);
static FILE *(*real_fopen)(const char *, const char *);

static void put(char op, uint64_t number, uint64_t at, const void *bytes, uint32_t size) {
    char head[21];
    head[0] = op;
    memcpy(head + 1, &number, 8);
    memcpy(head + 9, &at, 8);
    memcpy(head + 17, &size, 4);
    struct iovec parts[2] = {{head, sizeof head}, {(void *)bytes, size}};
    ssize_t wanted = sizeof head + size;
    if (writev(log_fd, parts, size ? 2 : 1) != wanted) abort();
}

__attribute__((constructor)) static void begin(void) {
    static const struct { void **to; const char *name; } all[] = {
        {(void **)&real_open, "open64"}, {(void **)&real_openat, "openat64"},
        {(void **)&real_close, "close"}, {(void **)&real_write, "write"},
        {(void **)&real_pwrite, "pwrite64"}, {(void **)&real_ftruncate, "ftruncate64"},
        {(void **)&real_fsync, "fsync"}, {(void **)&real_fdatasync, "fdatasync"},
        {(void **)&real_rename, "rename"}, {(void **)&real_unlink, "unlink"},
        {(void **)&real_unlinkat, "unlinkat"}, {(void **)&real_mkdir, "mkdir"},
        {(void **)&real_rmdir, "rmdir"}, {(void **)&real_fopen, "fopen64"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!(*all[i].to = dlsym(RTLD_NEXT, all[i].name))) abort();
    const char *folder = getenv("RECORD_ROOT"), *file = getenv("RECORD_LOG");
    if (!folder || !file) return;
    root_size = strlen(strcpy(root, folder));
    if (getenv("RECORD_SPACE")) space = atoll(getenv("RECORD_SPACE"));
    int made = REAL(open)(file, O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
    if (made < 0) abort();
    log_fd = fcntl(made, F_DUPFD_CLOEXEC, 900); /* out of the way of descriptors that programs count */
    REAL(close)(made);
}

/* Nested calls, of the C library or of this file, are not recorded twice. */
static int enter(void) {
    if (log_fd < 0) return 0;
    pthread_mutex_lock(&mutex);
    if (depth++) return 1;
    while (flock(log_fd, LOCK_EX) && errno == EINTR) {}
    return 1;
}

static void leave(void) {
    int kept = errno;
    if (log_fd < 0) return;
    if (!--depth) flock(log_fd, LOCK_UN);
    pthread_mutex_unlock(&mutex);
    errno = kept;
}

/* The name below the folder, "" for itself; NULL if it is elsewhere. */
static const char *inside(const char *path, char *room) {
    if (!path || log_fd < 0) return NULL;
    if (*path != '/') {
        if (!getcwd(room, PATH_MAX / 2)) return NULL;
        strcat(room, "/");
        strncat(room, path, PATH_MAX / 2 - 2);
        path = room;
    }
    if (strncmp(path, root, root_size)) return NULL;
    if (!path[root_size]) return path + root_size;
    return path[root_size] == '/' ? path + root_size + 1 : NULL;
}

static int mine(int fd) { return log_fd >= 0 && fd >= 0 && fd < FDS && fds[fd].used; }

static int opened(int fd, const char *name, int flags, int existed) {
    struct stat64 entry;
    if (fd < 0) return fd;
    if (fd >= FDS || fstat64(fd, &entry)) abort();
    fds[fd].used = 1;
    fds[fd].folder = S_ISDIR(entry.st_mode);
    fds[fd].append = !!(flags & O_APPEND);
    fds[fd].number = entry.st_ino;
    strncpy(fds[fd].name, name, PATH_MAX - 1);
    if (fds[fd].folder) return fd;
    if (!existed) put('C', entry.st_ino, 0, name, strlen(name));
    else if (flags & O_TRUNC) put('T', entry.st_ino, 0, NULL, 0);
    return fd;
}

static int do_open(int folder, const char *path, int flags, mode_t mode) {
    char room[PATH_MAX];
    const char *name = folder == AT_FDCWD || (path && *path == '/') ? inside(path, room) : NULL;
    if (!name) return REAL(openat)(folder, path, flags, mode);
    enter();
    struct stat64 before;
    int existed = !stat64(path, &before);
    int fd = opened(REAL(openat)(folder, path, flags, mode), name, flags, existed);
    leave();
    return fd;
}

#define MODE(flags, mode)                                   \
    mode_t mode = 0;                                        \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                \
        va_list rest;                                       \
        va_start(rest, flags);                              \
        mode = va_arg(rest, mode_t);                        \
        va_end(rest);                                       \
    }

int open(const char *path, int flags, ...) { MODE(flags, mode) return do_open(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, mode) return do_open(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags, mode) return do_open(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags, mode) return do_open(at, path, flags, mode); }
int creat(const char *path, mode_t mode) { return do_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int fd) {
    if (!mine(fd)) return REAL(close)(fd);
    enter();
    fds[fd].used = 0;
    int done = REAL(close)(fd);
    leave();
    return done;
}

static int64_t size_of(int fd) {
    struct stat64 entry;
    return fstat64(fd, &entry) ? 0 : entry.st_size;
}

static int full(int fd, int64_t end) {
    int64_t growth = end - size_of(fd);
    if (space < 0 || growth <= 0) return 0;
    if (growth > space) { errno = ENOSPC; return 1; }
    space -= growth;
    return 0;
}

static void freed(int64_t bytes) { if (space >= 0 && bytes > 0) space += bytes; }

ssize_t write(int fd, const void *bytes, size_t size) {
    if (!mine(fd)) return REAL(write)(fd, bytes, size);
    enter();
    int64_t at = fds[fd].append ? size_of(fd) : lseek64(fd, 0, SEEK_CUR);
    ssize_t done = full(fd, at + size) ? -1 : REAL(write)(fd, bytes, size);
    if (done > 0) put('W', fds[fd].number, at, bytes, done);
    leave();
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    if (!mine(fd)) return REAL(pwrite)(fd, bytes, size, at);
    enter();
    ssize_t done = full(fd, at + size) ? -1 : REAL(pwrite)(fd, bytes, size, at);
    if (done > 0) put('W', fds[fd].number, at, bytes, done);
    leave();
    return done;
}
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) { return pwrite64(fd, bytes, size, at); }

int ftruncate64(int fd, off64_t size) {
    if (!mine(fd)) return REAL(ftruncate)(fd, size);
    enter();
    int64_t before = size_of(fd);
    int done = full(fd, size) ? -1 : REAL(ftruncate)(fd, size);
    if (!done) {
        put('T', fds[fd].number, size, NULL, 0);
        freed(before - size);
    }
    leave();
    return done;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int truncate64(const char *path, off64_t size) {
    int fd = open(path, O_WRONLY);
    if (fd < 0) return -1;
    int done = ftruncate64(fd, size), kept = errno;
    close(fd);
    errno = kept;
    return done;
}
int truncate(const char *path, off_t size) { return truncate64(path, size); }

static int synced(int fd, int (*call)(int)) {
    if (!mine(fd)) return call(fd);
    enter();
    int done = call(fd);
    if (!done) {
        if (fds[fd].folder) put('D', 0, 0, fds[fd].name, strlen(fds[fd].name));
        else put('S', fds[fd].number, 0, NULL, 0);
    }
    leave();
    return done;
}
int fsync(int fd) { return synced(fd, REAL(fsync)); }
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }

int rename(const char *old, const char *new) {
    char one[PATH_MAX], other[PATH_MAX], both[2 * PATH_MAX];
    const char *from = inside(old, one), *to = inside(new, other);
    if (!from && !to) return REAL(rename)(old, new);
    enter();
    int done = REAL(rename)(old, new);
    if (!done && from && to) {
        size_t first = strlen(from), second = strlen(to);
        memcpy(both, from, first + 1);
        memcpy(both + first + 1, to, second);
        put('R', 0, 0, both, first + 1 + second);
    } else if (!done) put('!', 0, 0, "rename", 6);
    leave();
    return done;
}

static int removed(const char *path, const char *name, int (*call)(const char *), char op) {
    enter();
    struct stat64 before;
    int64_t size = !lstat64(path, &before) && before.st_nlink == 1 ? before.st_size : 0;
    int done = call(path);
    if (!done) {
        put(op, 0, 0, name, strlen(name));
        if (op == 'U') freed(size);
    }
    leave();
    return done;
}

int unlink(const char *path) {
    char room[PATH_MAX];
    const char *name = inside(path, room);
    return name ? removed(path, name, REAL(unlink), 'U') : REAL(unlink)(path);
}

int rmdir(const char *path) {
    char room[PATH_MAX];
    const char *name = inside(path, room);
    return name ? removed(path, name, REAL(rmdir), 'X') : REAL(rmdir)(path);
}

int mkdir(const char *path, mode_t mode) {
    char room[PATH_MAX];
    const char *name = inside(path, room);
    if (!name) return REAL(mkdir)(path, mode);
    enter();
    int done = REAL(mkdir)(path, mode);
    if (!done) put('M', 0, 0, name, strlen(name));
    leave();
    return done;
}

/* What else could change a file below the folder: not recorded, hence loudly so. */
static void refuse(const char *call) {
    enter();
    put('!', 0, 0, call, strlen(call));
    leave();
}

int unlinkat(int folder, const char *path, int flags) {
    char room[PATH_MAX];
    if (folder != AT_FDCWD && mine(folder)) refuse("unlinkat");
    if (inside(path, room) && folder == AT_FDCWD) return flags & AT_REMOVEDIR ? rmdir(path) : unlink(path);
    return REAL(unlinkat)(folder, path, flags);
}

FILE *fopen(const char *path, const char *mode) {
    char room[PATH_MAX];
    if (inside(path, room) && strpbrk(mode, "wa+")) refuse("fopen");
    return REAL(fopen)(path, mode);
}
FILE *fopen64(const char *path, const char *mode) { return fopen(path, mode); }

#define UNRECORDED(result, name, fd, arguments, given)                           \
    result name arguments {                                                      \
        static result(*real) arguments;                                          \
        if (!real && !(real = (result(*) arguments)dlsym(RTLD_NEXT, #name))) abort(); \
        if (mine(fd)) refuse(#name);                                             \
        return real given;                                                       \
    }
UNRECORDED(ssize_t, sendfile64, to, (int to, int from, off64_t *at, size_t size), (to, from, at, size))
UNRECORDED(ssize_t, copy_file_range, to,
           (int from, off64_t *a, int to, off64_t *b, size_t size, unsigned flags),
           (from, a, to, b, size, flags))
UNRECORDED(int, fallocate64, fd, (int fd, int mode, off64_t at, off64_t size), (fd, mode, at, size))
UNRECORDED(ssize_t, pwritev64, fd, (int fd, const struct iovec *v, int n, off64_t at), (fd, v, n, at))
UNRECORDED(ssize_t, writev, fd, (int fd, const struct iovec *v, int n), (fd, v, n))

int posix_fallocate64(int fd, off64_t at, off64_t size) {
    /* As grown with zeros, which is what it leaves. */
    if (!mine(fd)) {
        static int (*real)(int, off64_t, off64_t);
        if (!real && !(real = (int (*)(int, off64_t, off64_t))dlsym(RTLD_NEXT, "posix_fallocate64"))) abort();
        return real(fd, at, size);
    }
    return at + size <= size_of(fd) ? 0 : ftruncate64(fd, at + size) ? errno : 0;
}
int posix_fallocate(int fd, off_t at, off_t size) { return posix_fallocate64(fd, at, size); }

/* Called by the recorded program: what it tried and what was acknowledged, among the writes. */
void record_mark(const char *bytes, size_t size) {
    if (log_fd < 0) return;
    enter();
    put('K', 0, 0, bytes, size);
    leave();
}
