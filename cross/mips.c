/*
 * Two functions that musl has in assembly for MIPS and that find their data through the register
 * in which position-independent code is called. Our code calls directly and leaves it unset, for
 * which the linker inserts a stub, but not before assembly: there it would be a crash.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <unistd.h>

/* There is nothing to find in a static program, as musl's own would say. */
void *dlsym(void *library, const char *name)
{
	(void)library;
	(void)name;
	return NULL;
}

int pipe(int ends[2])
{
	return pipe2(ends, 0);
}
