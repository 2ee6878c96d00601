/* A clock that a test sets. Preloaded, it makes the wall clock of a process stand still at the
 * seconds since the epoch that the file CLOCK_FILE holds, as eight bytes in the machine's order. All
 * other clocks go on as they are. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *seconds;
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void)
{
	const char *name = getenv("CLOCK_FILE");
	real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	if (name == NULL)
		return;
	int file = open(name, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		abort();
	void *mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
	close(file);
	if (mapped == MAP_FAILED)
		abort();
	seconds = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	if (seconds == NULL || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) {
		if (real_clock_gettime == NULL)
			real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
		return real_clock_gettime(clock, now);
	}
	now->tv_sec = *seconds;
	now->tv_nsec = 0;
	return 0;
}

int gettimeofday(struct timeval *now, void *zone)
{
	struct timespec precise;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &precise);
	now->tv_sec = precise.tv_sec;
	now->tv_usec = precise.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *now)
{
	struct timespec precise;
	clock_gettime(CLOCK_REALTIME, &precise);
	if (now != NULL)
		*now = precise.tv_sec;
	return precise.tv_sec;
}
