/*
 * What a power cut leaves of a folder.
 *
 * kill -9 is not a power cut: what a process wrote before it died is in the page cache and will
 * be seen by the next one, synced or not. Preloaded into the daemon, this library keeps beside
 * the data folder a second one, in which every file is as it was at its last fsync or fdatasync.
 * After the kill the tests put that second folder in place of the first: everything that was not
 * synced is gone.
 *
 *   POWERCUT_DIR      the folder to watch, absolute and without symbolic links
 *   POWERCUT_SHADOW   an existing folder outside of it
 *
 * What is modelled:
 *  - what lies in the folder at the start is durable;
 *  - written bytes, and a file's size, are durable from the file's next successful sync on;
 *  - a new file exists once it was synced under its name;
 *  - a file that was unlinked or renamed away is still there after the cut, until the folder
 *    itself is synced.
 * SQLite's `-shm` is not watched: it is rebuilt when it is missing.
 *
 * Not modelled, because the store does not do it: writing through a mapping or with O_SYNC. A sync holds the lock that writes take, so that no write can slip into
 * the copy behind the back of the sync that it was too late for.
 *
 * Anything unexpected in here ends the process: a test must not pass on a shadow that lies.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define DESCRIPTORS 65536

struct range {
    off_t from, to;
};

struct file {
    struct file *next;
    dev_t device;
    ino_t inode; /* 0 once the name is gone: the number may be used again */
    char name[NAME_MAX + 1];
    int created;     /* since the last sync: its shadow, if any, is another file's */
    off_t shortest;  /* the smallest size since the last sync */
    struct range *dirty;
    size_t dirty_len, dirty_room;
};

static char *folder, *shadow;
static size_t folder_len;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files;
static struct file *by_descriptor[DESCRIPTORS];
static char is_folder[DESCRIPTORS];
/* Names whose unlinking is not durable yet. */
static char gone[256][NAME_MAX + 1];
static size_t gone_len;

static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwritev)(int, const struct iovec *, int, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);
static int (*real_dup)(int);
static int (*real_dup2)(int, int);
static int (*real_dup3)(int, int, int);
static int (*real_fcntl)(int, int, ...);
static int (*real_posix_fallocate)(int, off_t, off_t);

static void die(const char *what, const char *name) {
    dprintf(2, "powercut shim: %s: %s: %s\n", what, name, strerror(errno));
    _exit(99);
}

static void *symbol(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) die("no such function", name);
    return found;
}

/* Functions may be called before the constructor has run (other libraries' constructors). */
static void resolve(void) {
    if (real_posix_fallocate) return;
    real_open = symbol("open64");
    real_close = symbol("close");
    real_write = symbol("write");
    real_pwrite = symbol("pwrite64");
    real_writev = symbol("writev");
    real_pwritev = symbol("pwritev64");
    real_ftruncate = symbol("ftruncate64");
    real_fsync = symbol("fsync");
    real_fdatasync = symbol("fdatasync");
    real_rename = symbol("rename");
    real_unlink = symbol("unlink");
    real_dup = symbol("dup");
    real_dup2 = symbol("dup2");
    real_dup3 = symbol("dup3");
    real_fcntl = symbol("fcntl64");
    real_posix_fallocate = symbol("posix_fallocate64");
}

static void shadow_path(char *out, const char *name) {
    if (snprintf(out, PATH_MAX, "%s/%s", shadow, name) >= PATH_MAX) die("path too long", name);
}

/* Bytes [from, to) of one file into another at the same place. */
static void copy(int in, int out, off_t from, off_t to, const char *name) {
    static char buffer[1 << 16]; /* under the lock */
    while (from < to) {
        size_t want = (size_t)(to - from) < sizeof buffer ? (size_t)(to - from) : sizeof buffer;
        ssize_t got = pread(in, buffer, want, from);
        if (got < 0) die("reading", name);
        if (got == 0) return; /* shorter by now: the size is set afterwards */
        if (real_pwrite(out, buffer, (size_t)got, from) != got) die("writing the shadow", name);
        from += got;
    }
}

__attribute__((constructor)) static void start(void) {
    resolve();
    const char *watched = getenv("POWERCUT_DIR"), *beside = getenv("POWERCUT_SHADOW");
    if (!watched || !beside) return;
    /* Children (the plugin compiler) write nothing there and must not start over. */
    unsetenv("LD_PRELOAD");
    folder = strdup(watched);
    shadow = strdup(beside);
    folder_len = strlen(folder);

    DIR *listing = opendir(shadow);
    if (!listing) die("opening", shadow);
    for (struct dirent *entry; (entry = readdir(listing));) {
        char path[PATH_MAX];
        shadow_path(path, entry->d_name);
        if (entry->d_type == DT_REG && real_unlink(path) != 0) die("removing", path);
    }
    closedir(listing);

    listing = opendir(folder);
    if (!listing) die("opening", folder);
    for (struct dirent *entry; (entry = readdir(listing));) {
        if (entry->d_type != DT_REG) continue;
        char from[PATH_MAX], to[PATH_MAX];
        if (snprintf(from, PATH_MAX, "%s/%s", folder, entry->d_name) >= PATH_MAX) die("path too long", from);
        shadow_path(to, entry->d_name);
        int in = real_open(from, O_RDONLY | O_CLOEXEC), out = real_open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        struct stat about;
        if (in < 0 || out < 0 || fstat(in, &about) != 0) die("copying", from);
        copy(in, out, 0, about.st_size, from);
        real_close(in);
        real_close(out);
    }
    closedir(listing);
}

/* The name within the watched folder of an absolute path, or NULL. */
static const char *name_of(const char *path) {
    if (!folder || strncmp(path, folder, folder_len) != 0 || path[folder_len] != '/') return NULL;
    const char *name = path + folder_len + 1;
    size_t len = strlen(name);
    if (len == 0 || strchr(name, '/')) return NULL;
    if (len > 4 && strcmp(name + len - 4, "-shm") == 0) return NULL;
    return name;
}

/* The same, for what an open descriptor refers to; the answer lives until the next call. */
static const char *name_of_descriptor(int fd) {
    static char path[PATH_MAX];
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0) return NULL;
    path[len] = 0;
    if (folder && strcmp(path, folder) == 0) return "";
    return name_of(path);
}

static struct file *named(const char *name) {
    for (struct file *file = files; file; file = file->next)
        if (file->inode && strcmp(file->name, name) == 0) return file;
    return NULL;
}

static void opened(int fd, int existed) {
    if (!folder || fd < 0) return;
    if (fd >= DESCRIPTORS) die("too many descriptors", "");
    int kept = errno;
    pthread_mutex_lock(&lock);
    by_descriptor[fd] = NULL;
    is_folder[fd] = 0;
    const char *name = name_of_descriptor(fd);
    if (name && !*name) {
        is_folder[fd] = 1;
    } else if (name) {
        struct stat about;
        if (fstat(fd, &about) != 0) die("fstat", name);
        struct file *file = files;
        while (file && !(file->inode == about.st_ino && file->device == about.st_dev)) file = file->next;
        if (!file) {
            file = calloc(1, sizeof *file);
            if (!file) die("no memory", name);
            file->device = about.st_dev;
            file->inode = about.st_ino;
            strcpy(file->name, name);
            file->created = !existed;
            file->shortest = about.st_size;
            file->next = files;
            files = file;
        } else if (about.st_size < file->shortest) {
            file->shortest = about.st_size; /* O_TRUNC */
        }
        by_descriptor[fd] = file;
    }
    pthread_mutex_unlock(&lock);
    errno = kept;
}

static int open_and_note(int at, const char *path, int flags, mode_t mode) {
    resolve();
    if (!folder) {
        int (*real)(int, const char *, int, ...) = symbol("openat64");
        return real(at, path, flags, mode);
    }
    int (*real)(int, const char *, int, ...) = symbol("openat64");
    struct stat about;
    int existed = fstatat(at, path, &about, 0) == 0;
    int fd = real(at, path, flags, mode);
    opened(fd, existed);
    return fd;
}

static mode_t mode_of(int flags, va_list rest) {
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
}

#define OPEN(name)                                      \
    int name(const char *path, int flags, ...) {        \
        va_list rest;                                   \
        va_start(rest, flags);                          \
        mode_t mode = mode_of(flags, rest);             \
        va_end(rest);                                   \
        return open_and_note(AT_FDCWD, path, flags, mode); \
    }
#define OPENAT(name)                                    \
    int name(int at, const char *path, int flags, ...) { \
        va_list rest;                                   \
        va_start(rest, flags);                          \
        mode_t mode = mode_of(flags, rest);             \
        va_end(rest);                                   \
        return open_and_note(at, path, flags, mode);    \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int creat(const char *path, mode_t mode) {
    return open_and_note(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int close(int fd) {
    resolve();
    if (folder && fd >= 0 && fd < DESCRIPTORS) {
        /* Before the close: afterwards another thread may have been given the number. */
        pthread_mutex_lock(&lock);
        by_descriptor[fd] = NULL;
        is_folder[fd] = 0;
        pthread_mutex_unlock(&lock);
    }
    return real_close(fd);
}

static int duplicated(int from, int to) {
    if (folder && from >= 0 && from < DESCRIPTORS && to >= 0 && to != from) {
        if (to >= DESCRIPTORS) die("too many descriptors", "");
        pthread_mutex_lock(&lock);
        by_descriptor[to] = by_descriptor[from];
        is_folder[to] = is_folder[from];
        pthread_mutex_unlock(&lock);
    }
    return to;
}

int dup(int fd) {
    resolve();
    return duplicated(fd, real_dup(fd));
}
int dup2(int fd, int to) {
    resolve();
    return duplicated(fd, real_dup2(fd, to));
}
int dup3(int fd, int to, int flags) {
    resolve();
    return duplicated(fd, real_dup3(fd, to, flags));
}

static int fcntl_and_note(int fd, int what, void *argument) {
    resolve();
    int result = real_fcntl(fd, what, argument);
    return what == F_DUPFD || what == F_DUPFD_CLOEXEC ? duplicated(fd, result) : result;
}
#define FCNTL(name)                             \
    int name(int fd, int what, ...) {           \
        va_list rest;                           \
        va_start(rest, what);                   \
        void *argument = va_arg(rest, void *);  \
        va_end(rest);                           \
        return fcntl_and_note(fd, what, argument); \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

static struct file *watched(int fd) {
    return folder && fd >= 0 && fd < DESCRIPTORS ? by_descriptor[fd] : NULL;
}

static void wrote(struct file *file, off_t from, off_t to) {
    if (file->dirty_len) {
        struct range *last = &file->dirty[file->dirty_len - 1];
        if (last->to == from) { /* appending */
            last->to = to;
            return;
        }
    }
    if (file->dirty_len == file->dirty_room) {
        file->dirty_room = file->dirty_room ? 2 * file->dirty_room : 64;
        file->dirty = realloc(file->dirty, file->dirty_room * sizeof *file->dirty);
        if (!file->dirty) die("no memory", file->name);
    }
    file->dirty[file->dirty_len++] = (struct range){from, to};
}

/* One write: `call` moves the file's offset when `at` is negative. */
#define WRITE(fd, at, call)                                          \
    do {                                                             \
        resolve();                                                   \
        if (!watched(fd)) return (call);                             \
        pthread_mutex_lock(&lock);                                   \
        ssize_t done = (call);                                       \
        int kept = errno;                                            \
        struct file *file = watched(fd);                             \
        if (file && done > 0) {                                      \
            off_t end = (at) < 0 ? lseek(fd, 0, SEEK_CUR) : (at) + done; \
            if (end < 0) die("lseek", file->name);                   \
            wrote(file, end - done, end);                            \
        }                                                            \
        pthread_mutex_unlock(&lock);                                 \
        errno = kept;                                                \
        return done;                                                 \
    } while (0)

ssize_t write(int fd, const void *bytes, size_t len) { WRITE(fd, (off_t)-1, real_write(fd, bytes, len)); }
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at) { WRITE(fd, at, real_pwrite(fd, bytes, len, at)); }
ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at) { WRITE(fd, at, real_pwrite(fd, bytes, len, at)); }
ssize_t writev(int fd, const struct iovec *parts, int count) { WRITE(fd, (off_t)-1, real_writev(fd, parts, count)); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    WRITE(fd, at, real_pwritev(fd, parts, count, at));
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at) {
    WRITE(fd, at, real_pwritev(fd, parts, count, at));
}

static int truncate_and_note(int fd, off_t size) {
    resolve();
    if (!watched(fd)) return real_ftruncate(fd, size);
    pthread_mutex_lock(&lock);
    int result = real_ftruncate(fd, size);
    int kept = errno;
    struct file *file = watched(fd);
    if (file && result == 0 && size < file->shortest) file->shortest = size;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return result;
}
int ftruncate(int fd, off_t size) { return truncate_and_note(fd, size); }
int ftruncate64(int fd, off_t size) { return truncate_and_note(fd, size); }

/* Only makes files longer, and the size is copied at every sync. */
int posix_fallocate(int fd, off_t from, off_t len) {
    resolve();
    return real_posix_fallocate(fd, from, len);
}

/* Under the lock, after the real sync: what the disk holds now. */
static void durable(int fd, struct file *file) {
    if (!file->inode) return; /* unlinked: nobody will find it */
    char path[PATH_MAX];
    shadow_path(path, file->name);
    int in = fd, reopened = -1;
    if ((real_fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        in = reopened = real_open(link, O_RDONLY | O_CLOEXEC);
    }
    int out = real_open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (file->created ? O_TRUNC : 0), 0600);
    struct stat now, before;
    if (in < 0 || out < 0 || fstat(in, &now) != 0 || fstat(out, &before) != 0) die("syncing", file->name);
    if (file->shortest < before.st_size && real_ftruncate(out, file->shortest) != 0) die("truncating", path);
    for (size_t i = 0; i < file->dirty_len; i++) copy(in, out, file->dirty[i].from, file->dirty[i].to, file->name);
    if (real_ftruncate(out, now.st_size) != 0) die("truncating", path);
    real_close(out);
    if (reopened >= 0) real_close(reopened);
    file->dirty_len = 0;
    file->shortest = now.st_size;
    file->created = 0;
    for (size_t i = 0; i < gone_len; i++)
        if (strcmp(gone[i], file->name) == 0) gone[i][0] = 0; /* the name has a new file */
}

/* Under the lock: the folder was synced, names that went are gone. */
static void names_durable(void) {
    for (size_t i = 0; i < gone_len; i++) {
        char path[PATH_MAX];
        if (!gone[i][0]) continue;
        shadow_path(path, gone[i]);
        if (real_unlink(path) != 0 && errno != ENOENT) die("removing", path);
    }
    gone_len = 0;
}

static int sync_and_keep(int fd, int (*real)(int)) {
    if (!folder || fd < 0 || fd >= DESCRIPTORS) return real(fd);
    if (!by_descriptor[fd] && !is_folder[fd]) return real(fd);
    pthread_mutex_lock(&lock);
    int result = real(fd);
    int kept = errno;
    if (result == 0 && by_descriptor[fd]) durable(fd, by_descriptor[fd]);
    if (result == 0 && is_folder[fd]) names_durable();
    pthread_mutex_unlock(&lock);
    errno = kept;
    return result;
}
int fsync(int fd) {
    resolve();
    return sync_and_keep(fd, real_fsync);
}
int fdatasync(int fd) {
    resolve();
    return sync_and_keep(fd, real_fdatasync);
}

/* Under the lock. */
static void went(const char *name) {
    struct file *file = named(name);
    if (file) file->inode = 0;
    for (size_t i = 0; i < gone_len; i++)
        if (strcmp(gone[i], name) == 0) return;
    if (gone_len == sizeof gone / sizeof *gone) die("too many unlinked names", name);
    strcpy(gone[gone_len++], name);
}

int unlink(const char *path) {
    resolve();
    const char *name = name_of(path);
    if (!name) return real_unlink(path);
    pthread_mutex_lock(&lock);
    int result = real_unlink(path);
    int kept = errno;
    if (result == 0) went(name);
    pthread_mutex_unlock(&lock);
    errno = kept;
    return result;
}

int rename(const char *from, const char *to) {
    resolve();
    const char *old = name_of(from), *new = name_of(to);
    if (!old && !new) return real_rename(from, to);
    pthread_mutex_lock(&lock);
    int result = real_rename(from, to);
    int kept = errno;
    if (result == 0) {
        struct file *file = old ? named(old) : NULL;
        if (new) went(new);
        if (old) went(old);
        if (file && new) {
            struct stat about;
            if (stat(to, &about) != 0) die("stat", to);
            /* All of it is to be copied at the next sync: the shadow has it under its old name. */
            file->inode = about.st_ino;
            file->device = about.st_dev;
            strcpy(file->name, new);
            file->created = 1;
            file->dirty_len = 0;
            file->shortest = 0;
            wrote(file, 0, about.st_size);
        }
    }
    pthread_mutex_unlock(&lock);
    errno = kept;
    return result;
}
