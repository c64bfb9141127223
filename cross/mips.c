/*
 * Functions of the C library that are better here than where they would come from.
 *
 * dlsym and pipe: musl has them in assembly for MIPS, where they find their data through the
 * register in which position-independent code is called. Our code calls directly and leaves it
 * unset, for which the linker inserts a stub, but not before assembly: there it would be a crash.
 *
 * memcpy: zig's takes seven instructions for a word, this one four.
 *
 * pthread_setname_np: musl's prints the path of a file for it, and brings printf: 13 KB.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <unistd.h>

/* A word at any address. */
struct word {
	uint32_t value;
} __attribute__((packed, may_alias));

#define WORD sizeof(struct word)

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

/* A thread names none but itself here. */
int pthread_setname_np(pthread_t thread, const char *name)
{
	(void)thread;
	return prctl(PR_SET_NAME, name) == 0 ? 0 : errno;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	unsigned char *out = to;
	const unsigned char *in = from;

	if (size >= 4 * WORD) {
		/* Then one instruction stores a word; more than one may be needed to load it. */
		for (; (uintptr_t)out % WORD != 0; size--)
			*out++ = *in++;
		for (; size >= 4 * WORD; size -= 4 * WORD, out += 4 * WORD, in += 4 * WORD) {
			struct word *target = __builtin_assume_aligned(out, WORD);
			const struct word *source = (const struct word *)in;

			/* Loaded before the first is stored, so that none is waited for. */
			struct word first = source[0], second = source[1], third = source[2], fourth = source[3];
			target[0] = first;
			target[1] = second;
			target[2] = third;
			target[3] = fourth;
		}
	}
	for (; size >= WORD; size -= WORD, out += WORD, in += WORD)
		*(struct word *)out = *(const struct word *)in;
	for (; size > 0; size--)
		*out++ = *in++;
	return to;
}
