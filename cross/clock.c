/*
 * The clock for programs of 32 bits, in which Rust's library counts seconds with 32 bits. musl's for
 * those fails from 2038 on, and that ends the program: a false time from somebody's NTP server would be
 * enough. cross/check looks for this one.
 */
#include <stdint.h>
#include <time.h>

struct short_time {
	int32_t seconds, nanoseconds;
};

/* Stands still in 2038. */
int short_clock_gettime(clockid_t clock, struct short_time *time)
{
	struct timespec now;

	if (clock_gettime(clock, &now) != 0)
		return -1;
	time->seconds = now.tv_sec < INT32_MAX ? now.tv_sec : INT32_MAX;
	time->nanoseconds = now.tv_nsec;
	return 0;
}

/* As Rust's library calls it. musl's headers make another symbol of that name. */
int called_clock_gettime(clockid_t clock, struct short_time *time)
	__asm__("clock_gettime") __attribute__((alias("short_clock_gettime")));
