// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "file/gunzip.h"
#include "oracle.h"
#include "sink/gzip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#define MOST	  600000
#define NR_PIECES 40

static uint8_t text[NR_PIECES * MOST], back[NR_PIECES * MOST], packed[NR_PIECES * (MOST + 1000)];

/* Some of it compresses well, some not at all, some repeats what was before. */
static size_t make_piece(unsigned int n, uint8_t *out)
{
	static const size_t sizes[] = { 1, 0, 100, 32768, 70000, MOST };
	size_t len = sizes[n % 6], i;

	for (i = 0; i < len; i++)
		out[i] = (uint8_t)(n % 3 ? rand() : n % 2 ? "frame"[i % 5] : (int)(i >> 8));
	return len;
}

/* All that zlib makes of it; *whole: up to the end of a stream, and nothing more. */
static size_t inflate_all(const uint8_t *in, size_t len, int *whole)
{
	z_stream z = { .next_in = (uint8_t *)in,
		       .avail_in = (uInt)len,
		       .next_out = back,
		       .avail_out = sizeof(back) };
	int r;

	assert_int_equal(inflateInit2(&z, 31), Z_OK);
	r = inflate(&z, Z_SYNC_FLUSH);
	*whole = r == Z_STREAM_END && !z.avail_in;
	assert_true(*whole || r == Z_OK || r == Z_BUF_ERROR);
	inflateEnd(&z);
	return sizeof(back) - z.avail_out;
}

static void test_whole_after_each_piece(void **state)
{
	struct gzip *g = gzip_new(MOST);
	size_t len = 0, at = 0, end;
	uint8_t bytes[GZIP_END_MAX];
	unsigned int n;
	int whole;

	(void)state;
	assert_non_null(g);
	for (n = 0; n < NR_PIECES; n++) {
		size_t piece = make_piece(n, text + len);
		struct gzip_piece p = gzip_add(g, text + len, piece);

		/* Before it is kept, the end is that of the pieces before. */
		end = gzip_end(g, packed + at);
		assert_int_equal(inflate_all(packed, at + end, &whole), len);
		assert_true(whole);
		memcpy(packed + at, p.data, p.len + p.end_len);
		len += piece;
		at += p.len;
		assert_int_equal(inflate_all(packed, at, &whole), len);
		assert_false(whole);
		assert_int_equal(inflate_all(packed, at + p.end_len, &whole), len);
		assert_true(whole);
		assert_memory_equal(back, text, len);
		gzip_keep(g);
		end = gzip_end(g, bytes);
		assert_int_equal(end, p.end_len);
		assert_memory_equal(bytes, p.data + p.len, end);
	}
	gzip_free(g);
}

static void test_streams_are_on_their_own(void **state)
{
	struct gzip *g = gzip_new(1000);
	int i, whole;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct gzip_piece p = gzip_add(g, "one two three four", 18);

		gzip_keep(g);
		assert_int_equal(inflate_all(p.data, p.len + p.end_len, &whole), 18);
		assert_true(whole);
		gzip_start(g);
	}
	gzip_free(g);
}

static void test_readable_part(void **state)
{
	struct gzip *g = gzip_new(MOST);
	struct gzip_piece p;
	size_t before, n;
	int i, whole;

	(void)state;
	for (i = 0; i < 3; i++) {
		before = make_piece(i == 1 ? 10 : 4, text);
		before = i ? before : 0; /* also the first piece */
		p = gzip_add(g, text, before);
		memcpy(packed, p.data, p.len);
		n = i ? p.len : 0;
		if (i)
			gzip_keep(g);
		p = gzip_add(g, text, 5000);
		memcpy(packed + n, p.data, p.len);
		for (size_t part = 0; part <= p.len; part += 1 + part / 50)
			assert_int_equal(gzip_readable(g, part),
					 inflate_all(packed, n + part, &whole) - before);
		assert_int_equal(gzip_readable(g, p.len), 5000);
		gzip_start(g);
	}
	gzip_free(g);
}

/* Noise is stored, and what can be compressed after it soon is. */
static void test_noise_is_stored(void **state)
{
	struct gzip *g = gzip_new(MOST);
	size_t len = make_piece(5, text), at = 0;
	struct gzip_piece p;
	unsigned int n;
	int whole;

	(void)state;
	memset(text + len, 'x', MOST);
	for (n = 0; n < 40; n++) {
		p = gzip_add(g, n < 20 ? text : text + len, MOST);
		assert_true(n < 20 ? p.len < MOST + MOST / 500 : n < 32 || p.len < MOST / 100);
		memcpy(packed + at, p.data, p.len + p.end_len);
		at += p.len;
		gzip_keep(g);
	}
	assert_int_equal(inflate_all(packed, at + p.end_len, &whole), 40 * MOST);
	assert_true(whole);
	for (n = 0; n < 40; n++)
		assert_memory_equal(back + n * MOST, n < 20 ? text : text + len, MOST);
	gzip_free(g);
}

/* gzip(1) takes it, and what gzip(1) makes is read. */
static void test_gzip_agrees(void **state)
{
	struct gzip *g = gzip_new(MOST);
	char path[] = "/tmp/nswatch-gzip-XXXXXX", got[256];
	int fd = mkstemp(path);
	uint8_t bytes[GZIP_END_MAX];
	unsigned int n;

	(void)state;
	for (n = 0; n < 12; n++) {
		struct gzip_piece p = gzip_add(g, text, make_piece(n, text));

		assert_int_equal(write(fd, p.data, p.len), p.len);
		gzip_keep(g);
	}
	n = (unsigned int)gzip_end(g, bytes);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
	n = (unsigned int)oracle(got, sizeof(got), "gzip -t < %s", path);
	unlink(path);
	gzip_free(g);
	if (!have_tool("gzip"))
		skip();
	assert_int_equal(n, 0);
}

/* --- reading --- */

static int file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("gzip-test", MFD_CLOEXEC);

	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Reads all, `step` bytes at a time. */
static ssize_t read_all(const void *bytes, size_t len, size_t step, int *damaged)
{
	int fd = file_of(bytes, len);
	struct gunzip *g = gunzip_new(fd);
	size_t sum = 0;
	ssize_t n;

	while ((n = gunzip_read(g, back + sum, step)) > 0)
		sum += (size_t)n;
	*damaged = gunzip_damage(g) != NULL;
	gunzip_free(g);
	close(fd);
	return n ? n : (ssize_t)sum;
}

static size_t pack(uint8_t *out, const void *in, size_t len)
{
	z_stream z = { 0 };
	size_t n;

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, 0), Z_OK);
	z.next_in = (uint8_t *)in;
	z.avail_in = (uInt)len;
	z.next_out = out;
	z.avail_out = sizeof(packed) / 2;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	n = z.total_out;
	deflateEnd(&z);
	return n;
}

static void test_reading(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 1000, 65535, 65536, 65537, 300000 };
	static const size_t steps[] = { 1, 20, 4096, 70000 };
	size_t i, n, s;
	int damaged;

	(void)state;
	make_piece(4, text);
	make_piece(5, text + 70000);
	for (i = 0; i < 9; i++)
		for (s = i < 8 ? 0 : 1; s < 4; s++) {
			assert_int_equal(read_all(text, sizes[i], steps[s], &damaged), sizes[i]);
			assert_false(damaged);
			assert_memory_equal(back, text, sizes[i]);
			/* Two streams in a row, and something behind them. */
			n = pack(packed, text, sizes[i]);
			n += pack(packed + n, "end", 3);
			packed[n] = 'x';
			assert_int_equal(read_all(packed, n, steps[s], &damaged), sizes[i] + 3);
			assert_false(damaged);
			assert_memory_equal(back, text, sizes[i]);
			assert_memory_equal(back + sizes[i], "end", 3);
			assert_int_equal(read_all(packed, n + 1, steps[s], &damaged), sizes[i] + 3);
			assert_false(damaged);
		}
}

static void test_reading_what_is_cut(void **state)
{
	size_t n, cut;
	int damaged, whole;

	(void)state;
	make_piece(4, text);
	n = pack(packed, text, 3000);
	for (cut = 2; cut < n; cut++) {
		size_t want = inflate_all(packed, cut, &whole);

		assert_int_equal(read_all(packed, cut, 100, &damaged), want);
		assert_true(damaged);
	}
	packed[n - 6] ^= 1; /* the checksum */
	assert_int_equal(read_all(packed, n, 100, &damaged), 3000);
	assert_true(damaged);
	packed[0] = 0;
	assert_int_equal(read_all(packed, n, 100, &damaged), n); /* no gzip at all */
	assert_false(damaged);
}

static void test_read_error(void **state)
{
	struct gunzip *g = gunzip_new(-1);
	char c;

	(void)state;
	assert_int_equal(gunzip_read(g, &c, 1), -1);
	assert_int_equal(errno, EBADF);
	gunzip_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_after_each_piece),
		cmocka_unit_test(test_streams_are_on_their_own),
		cmocka_unit_test(test_readable_part),
		cmocka_unit_test(test_noise_is_stored),
		cmocka_unit_test(test_gzip_agrees),
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_reading_what_is_cut),
		cmocka_unit_test(test_read_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
