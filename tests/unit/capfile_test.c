// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "oracle.h"
#include "sink/capfile.h"
#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define QUEUE (4 * 1024 * 1024)
#define T0    1700000000000000000LL

static char dir[] = "/tmp/nswatch-capfile-XXXXXX";
static uint8_t bytes[262144];
static uint32_t stride; /* the next packet has the bytes from so much further on */
static struct tap taps[] = {
	{ .id = 5, .generation = 1, .dlt = DLT_EN10MB, .target = "php", .ifname = "lo" },
	{ .id = 9, .generation = 1, .dlt = DLT_EN10MB, .target = "php", .ifname = "eth0" },
};

static int make_dir(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)rand();
	return !mkdtemp(dir);
}

static int remove_dir(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd);
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int create(const char *name)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static struct packet make_packet(uint64_t n, uint32_t caplen)
{
	return (struct packet){
		.number = n + 1,
		.time = T0 + (int64_t)n * 1000000,
		.data = bytes + (stride ? n * stride % (sizeof(bytes) / 2) : 0),
		.caplen = caplen,
		.wirelen = caplen,
		.tap = &taps[n % 2],
		.dir = DIR_IN,
	};
}

static struct capfile *new_file(int fd, const struct capfile_options *o)
{
	struct err e = { 0 };
	struct capfile *c = capfile_new(fd, o, &e);

	assert_non_null(c);
	return c;
}

static void put_many(struct capfile *c, uint64_t from, uint64_t to, uint32_t caplen)
{
	for (; from < to; from++) {
		struct packet p = make_packet(from, caplen);

		capfile_packet(c, &p, NULL);
	}
}

struct books {
	uint64_t written[2], lost[2];
};

static struct books books_of(const struct capfile *c)
{
	struct books b;

	capfile_stats(c, &taps[0], &b.written[0], &b.lost[0]);
	capfile_stats(c, &taps[1], &b.written[1], &b.lost[1]);
	return b;
}

/* Reads a file to its end with libpcap: how many packets of which the first
 * bytes are ours. Anything but a clean end is -1. */
static long count_stream(FILE *f)
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_fopen_offline(f, why);
	struct pcap_pkthdr *h;
	const u_char *data;
	long n = 0;
	int got;

	assert_non_null(p);
	while ((got = pcap_next_ex(p, &h, &data)) == 1) {
		assert_memory_equal(data, make_packet((uint64_t)n, h->caplen).data, h->caplen);
		n++;
	}
	pcap_close(p);
	return got == PCAP_ERROR_BREAK ? n : -1 - n;
}

static FILE *open_packed(const char *file)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "gzip -t %s && gzip -dc %s", file, file);
	return popen(cmd, "r");
}

static long count_file(const char *name)
{
	FILE *f = fopen(path_of(name), "r");

	assert_non_null(f);
	return count_stream(f);
}

/* Packets of each tap, as tshark sees them. */
static void assert_taps(const char *name, const struct books *b)
{
	static const char *const names[] = { "php/lo", "php/eth0" };
	char got[256];
	int i;

	for (i = 0; i < 2 && have_tool("tshark"); i++) {
		assert_int_equal(
			oracle(got, sizeof(got),
			       "tshark -n -r %s -Y 'frame.interface_name==\"%s\"' -T fields -e "
			       "frame.number | wc -l",
			       path_of(name), names[i]),
			0);
		assert_int_equal(strtoull(got, NULL, 10), b->written[i]);
	}
}

static void assert_clean(const char *name)
{
	char got[8192];

	if (have_tool("capinfos"))
		assert_int_equal(oracle(got, sizeof(got), "capinfos %s", path_of(name)), 0);
}

static void some_stats(void *ctx, const struct tap *tap, struct tap_stats *s)
{
	(void)ctx;
	s->seen = s->matched = s->captured = s->delivered = tap->id * 1000;
}

static void test_empty_file_is_valid(void **state)
{
	enum file_format formats[] = { FORMAT_PCAPNG, FORMAT_PCAP };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct capfile_options o = { .format = formats[i], .dlt = DLT_EN10MB };
		struct capfile *c = new_file(create("empty"), &o);

		/* libpcap wants an interface before it believes in a pcapng file. */
		capfile_tap(c, &taps[0]);
		assert_int_equal(capfile_close(c, NULL), 0);
		capfile_free(c);
		assert_int_equal(count_file("empty"), 0);
		assert_clean("empty");
	}
}

static void test_all_is_written(void **state)
{
	enum file_format formats[] = { FORMAT_PCAPNG, FORMAT_PCAP };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct capfile_options o = { .format = formats[i],
					     .dlt = DLT_EN10MB,
					     .stats = some_stats,
					     .lossless = true };
		struct capfile *c = new_file(create("all"), &o);
		struct books b;

		put_many(c, 0, 20001, 90);
		put_many(c, 20001, 20100, sizeof(bytes));
		put_many(c, 20100, 20101, 0);
		assert_int_equal(capfile_close(c, NULL), 0);
		b = books_of(c);
		capfile_free(c);
		assert_int_equal(b.written[0], 10051);
		assert_int_equal(b.written[1], 10050);
		assert_int_equal(b.lost[0] + b.lost[1], 0);
		assert_int_equal(count_file("all"), 20101);
		assert_clean("all");
		if (formats[i] == FORMAT_PCAPNG)
			assert_taps("all", &b);
	}
}

/* --- rotation --- */

struct row {
	unsigned int nr;
	unsigned int fail_at;
};

static int open_next(void *ctx, unsigned int index, struct err *e)
{
	struct row *r = ctx;
	char name[32];

	r->nr = index;
	if (index == r->fail_at)
		return err_set(e, -EACCES, "no file %u", index);
	snprintf(name, sizeof(name), "row%u", index);
	return open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static void test_rotation_by_packets(void **state)
{
	struct row row = { 1, 0 };
	struct capfile_options o = { .max_packets = 10,
				     .next_fd = open_next,
				     .stats = some_stats,
				     .lossless = true,
				     .ctx = &row };
	struct capfile *c = new_file(create("row1"), &o);
	struct ipaddr a;
	char got[8192], name[16];
	int i;

	(void)state;
	assert_true(ipaddr_parse("10.0.0.1", &a));
	capfile_name(c, &a, "one.example");
	capfile_name(c, &a, "one.example");
	capfile_name(c, &a, "two.example");
	put_many(c, 0, 100, 60);
	assert_int_equal(capfile_close(c, NULL), 0);
	assert_int_equal(capfile_nr_files(c), 10);
	capfile_free(c);
	assert_int_equal(row.nr, 10);
	for (i = 1; i <= 10; i++) {
		snprintf(name, sizeof(name), "row%d", i);
		assert_int_equal(count_file(name), 10);
		assert_clean(name);
	}
	if (!have_tool("tshark"))
		return;
	/* Every file has its own interfaces, names and statistics. */
	assert_int_equal(
		oracle(got, sizeof(got),
		       "tshark -n -X 'read_format:MIME Files Format' -V -r %s/row7 | grep -cE "
		       "'Block: (Interface Desc|Name Res|Interface Stat)'",
		       dir),
		0);
	assert_int_equal(atoi(got), 6);
	assert_int_equal(
		oracle(got, sizeof(got), "capinfos -TmQrc %s/row? %s/row10 | wc -l", dir, dir), 0);
}

/* As many files as it takes, at full speed, and a queue that is always full. */
static void test_rotation_loses_nothing(void **state)
{
	struct row row = { 1, 0 };
	struct capfile_options o = { .max_bytes = 300000,
				     .next_fd = open_next,
				     .stats = some_stats,
				     .lossless = true,
				     .queue_bytes = QUEUE,
				     .ctx = &row };
	struct capfile *c = new_file(create("row1"), &o);
	struct books b;
	struct stat st;
	char name[16];
	long sum = 0;
	unsigned int i;

	(void)state;
	put_many(c, 0, 50000, 200);
	assert_int_equal(capfile_close(c, NULL), 0);
	b = books_of(c);
	for (i = 1; i <= capfile_nr_files(c); i++) {
		snprintf(name, sizeof(name), "row%u", i);
		sum += count_file(name);
		assert_int_equal(stat(path_of(name), &st), 0);
		assert_in_range(st.st_size, 1000, 301000);
	}
	assert_in_range(capfile_nr_files(c), 35, 50);
	capfile_free(c);
	assert_int_equal(sum, 50000);
	assert_int_equal(b.written[0] + b.written[1], 50000);
}

/* Each file is compressed on its own; what goes in counts. */
static void test_rotation_compressed(void **state)
{
	struct row row = { 1, 0 };
	struct capfile_options o = { .max_bytes = 300000,
				     .gzip = true,
				     .next_fd = open_next,
				     .stats = some_stats,
				     .lossless = true,
				     .ctx = &row };
	struct capfile *c = new_file(create("row1"), &o);
	long sum = 0;
	unsigned int i;
	char name[16];

	(void)state;
	put_many(c, 0, 5000, 200);
	assert_int_equal(capfile_close(c, NULL), 0);
	for (i = 1; i <= capfile_nr_files(c); i++) {
		snprintf(name, sizeof(name), "row%u", i);
		sum += count_stream(open_packed(path_of(name)));
		assert_clean(name);
	}
	assert_int_equal(capfile_nr_files(c), 5);
	capfile_free(c);
	assert_int_equal(sum, 5000);
}

static void test_rotation_by_time(void **state)
{
	struct row row = { 1, 0 };
	struct capfile_options o = { .max_duration = 10 * 1000000,
				     .next_fd = open_next,
				     .ctx = &row };
	struct capfile *c = new_file(create("row1"), &o);

	(void)state;
	put_many(c, 0, 25, 60); /* one a millisecond */
	put_many(c, 1000, 1001, 60);
	assert_int_equal(capfile_close(c, NULL), 0);
	capfile_free(c);
	assert_int_equal(row.nr, 4);
	assert_int_equal(count_file("row1"), 10);
	assert_int_equal(count_file("row2"), 10);
	assert_int_equal(count_file("row3"), 5);
	assert_int_equal(count_file("row4"), 1);
}

static void test_last_file_is_full(void **state)
{
	struct row row = { 1, 0 };
	struct capfile_options o = {
		.max_packets = 4, .max_files = 2, .next_fd = open_next, .ctx = &row
	};
	struct capfile *c = new_file(create("row1"), &o);
	struct books b;

	(void)state;
	put_many(c, 0, 7, 60);
	assert_false(capfile_is_full(c));
	put_many(c, 7, 8, 60);
	assert_true(capfile_is_full(c));
	put_many(c, 8, 20, 60);
	assert_int_equal(capfile_close(c, NULL), 0);
	b = books_of(c);
	capfile_free(c);
	assert_int_equal(b.written[0] + b.written[1], 8);
	assert_int_equal(b.lost[0] + b.lost[1], 0);
	assert_int_equal(count_file("row2"), 4);
}

static void test_next_file_cannot_be_opened(void **state)
{
	struct row row = { 1, 3 };
	struct capfile_options o = { .max_packets = 4, .next_fd = open_next, .ctx = &row };
	struct capfile *c = new_file(create("row1"), &o);
	struct err e = { 0 };
	struct books b;

	(void)state;
	put_many(c, 0, 20, 60);
	assert_int_equal(capfile_close(c, &e), -EACCES);
	assert_string_equal(e.msg, "no file 3");
	b = books_of(c);
	capfile_free(c);
	assert_int_equal(b.written[0] + b.written[1], 8);
	assert_int_equal(b.lost[0] + b.lost[1], 12);
	assert_int_equal(count_file("row2"), 4);
}

/* --- trouble --- */

/* Runs in a child, whose limits, mounts and filters end with it. */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

/* Writes 5 MB to a place with less room and compares books and file. */
static int overfill(const char *file, enum file_format format, bool gzip, int expected_error)
{
	struct capfile_options o = {
		.format = format, .dlt = DLT_EN10MB, .gzip = gzip, .lossless = true
	};
	struct capfile *c = new_file(open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600), &o);
	struct err e = { 0 };
	struct books b;
	FILE *f;

	stride = 233; /* so that it cannot be compressed */
	put_many(c, 0, 20000, 233);
	if (capfile_close(c, &e) != expected_error || !e.msg[0])
		return 1;
	b = books_of(c);
	capfile_free(c);
	if (b.written[0] + b.written[1] + b.lost[0] + b.lost[1] != 20000 || !b.written[0])
		return 2;
	if (labs((long)(b.written[0] - b.written[1])) > 1)
		return 3;
	f = gzip ? open_packed(file) : fopen(file, "r");
	return !f || count_stream(f) != (long)(b.written[0] + b.written[1]) ? 4 : 0;
}

static int over_size_limit(void)
{
	struct rlimit limit = { 1000001, 1000001 };

	setrlimit(RLIMIT_FSIZE, &limit);
	return overfill(path_of("limited"), FORMAT_PCAPNG, false, -EFBIG) +
	       10 * overfill(path_of("limited.pcap"), FORMAT_PCAP, false, -EFBIG) +
	       100 * overfill(path_of("limited.gz"), FORMAT_PCAPNG, true, -EFBIG);
}

static void test_file_size_limit(void **state)
{
	(void)state;
	assert_int_equal(in_child(over_size_limit), 0);
	assert_clean("limited");
	assert_clean("limited.pcap");
	assert_clean("limited.gz");
}

static int on_full_disk(void)
{
	char file[128];
	int r;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("nswatch-test", dir, "tmpfs", 0, "size=1m"))
		return 77;
	snprintf(file, sizeof(file), "%s/x", dir);
	r = overfill(file, FORMAT_PCAPNG, false, -ENOSPC);
	unlink(file);
	r += 10 * overfill(file, FORMAT_PCAPNG, true, -ENOSPC);
	unlink(file);
	return r + 100 * overfill(file, FORMAT_PCAP, false, -ENOSPC);
}

static void test_disk_full(void **state)
{
	int r = in_child(on_full_disk);

	(void)state;
	if (r == 77) {
		print_message("skipped: needs root, to mount a small tmpfs\n");
		skip();
	}
	assert_int_equal(r, 0);
}

static void test_dev_full(void **state)
{
	struct capfile_options o = { 0 };
	struct capfile *c = new_file(open("/dev/full", O_WRONLY), &o);
	struct err e = { 0 };
	struct books b;

	(void)state;
	put_many(c, 0, 100, 60);
	assert_int_equal(capfile_close(c, &e), -ENOSPC);
	assert_string_equal(e.msg, "cannot write the output: No space left on device");
	b = books_of(c);
	capfile_free(c);
	assert_int_equal(b.written[0] + b.written[1], 0);
	assert_int_equal(b.lost[0] + b.lost[1], 100);
}

static void test_broken_pipe(void **state)
{
	struct capfile_options o = { 0 };
	struct capfile *c;
	struct err e = { 0 };
	struct books b;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	c = new_file(fds[1], &o);
	put_many(c, 0, 100, 60);
	assert_int_equal(capfile_close(c, &e), -EPIPE);
	b = books_of(c);
	capfile_free(c);
	assert_int_equal(b.lost[0], 50);
	assert_int_equal(b.lost[1], 50);
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* What zlib makes of it, up to where it is cut. */
static FILE *gunzip_stream(int fd)
{
	gzFile in = gzdopen(fd, "r");
	FILE *f = tmpfile();
	char block[4096];
	int n;

	while ((n = gzread(in, block, sizeof(block))) > 0)
		fwrite(block, 1, (size_t)n, f);
	gzclose(in);
	rewind(f);
	return f;
}

/* Where the end cannot be put behind each piece, it comes at close. */
static void test_compressed_stream(void **state)
{
	struct capfile_options o = { .gzip = true };
	int fds[2][2], i;

	(void)state;
	assert_int_equal(pipe(fds[0]), 0);
	fds[1][1] = open(path_of("appended"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	fds[1][0] = open(path_of("appended"), O_RDONLY | O_CLOEXEC);
	for (i = 0; i < 2; i++) {
		struct capfile *c = new_file(fds[i][1], &o);

		put_many(c, 0, 50, 60);
		capfile_flush(c);
		put_many(c, 50, 100, 60);
		assert_int_equal(capfile_close(c, NULL), 0);
		capfile_free(c);
		assert_int_equal(count_stream(gunzip_stream(fds[i][0])), 100);
	}
	assert_int_equal(count_stream(open_packed(path_of("appended"))), 100);
}

/* A pipe that nobody reads: the caller goes on at full speed, the books are
 * exact, and close gives up. */
static void stuck_pipe(bool gzip)
{
	struct capfile_options o = { .queue_bytes = QUEUE, .gzip = gzip };
	struct capfile *c;
	struct err e = { 0 };
	struct books b;
	double started;
	long whole;
	int fds[2];
	FILE *f;

	assert_int_equal(pipe(fds), 0);
	c = new_file(fds[1], &o);
	started = seconds();
	stride = gzip ? 200 : 0; /* so that it cannot be compressed */
	put_many(c, 0, 100000, 200);
	assert_true(seconds() - started < 2);
	b = books_of(c);
	assert_true(b.lost[0] > 10000);
	assert_true(b.written[0] * 200 * 2 > QUEUE / 2);
	assert_int_equal(capfile_close(c, &e), -ETIMEDOUT);
	assert_true(seconds() - started < 10);
	b = books_of(c);
	capfile_free(c);
	assert_int_equal(b.written[0] + b.lost[0], 50000);
	assert_int_equal(b.written[1] + b.lost[1], 50000);
	f = gzip ? gunzip_stream(fds[0]) : fdopen(fds[0], "r");
	whole = count_stream(f);
	assert_true(whole < 0); /* the last one is cut: a pipe takes nothing back */
	assert_int_equal(-1 - whole, b.written[0] + b.written[1]);
	stride = 0;
}

static void test_stuck_pipe(void **state)
{
	(void)state;
	stuck_pipe(false);
}

static void test_stuck_pipe_compressed(void **state)
{
	(void)state;
	stuck_pipe(true);
}

struct slow_reader {
	int fd;
	unsigned int pause_us;
	long packets;
};

static void *read_slowly(void *arg)
{
	struct slow_reader *r = arg;
	FILE *f = fdopen(r->fd, "r");

	usleep(r->pause_us);
	r->packets = count_stream(f);
	return NULL;
}

/* The reader comes late, and each packet is flushed: small batches must not
 * use up the queue. */
static void test_flushed_batches_share_the_queue(void **state)
{
	struct capfile_options o = { .queue_bytes = QUEUE };
	struct slow_reader r = { .pause_us = 300000 };
	struct capfile *c;
	struct books b;
	pthread_t thread;
	int fds[2];
	uint64_t i;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	r.fd = fds[0];
	assert_int_equal(pthread_create(&thread, NULL, read_slowly, &r), 0);
	c = new_file(fds[1], &o);
	for (i = 0; i < 10000; i++) {
		put_many(c, i, i + 1, 200);
		capfile_flush(c);
	}
	assert_int_equal(capfile_close(c, NULL), 0);
	pthread_join(thread, NULL);
	b = books_of(c);
	capfile_free(c);
	assert_int_equal(b.lost[0] + b.lost[1], 0);
	assert_int_equal(r.packets, 10000);
}

/* A flushed packet is there at once, whole. */
static void test_flush_is_live(void **state)
{
	struct capfile_options o = { .format = FORMAT_PCAP, .dlt = DLT_EN10MB };
	uint8_t got[256];
	struct capfile *c;
	size_t len = 0;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	c = new_file(fds[1], &o);
	put_many(c, 0, 1, 60);
	capfile_flush(c);
	while (len < 24 + 16 + 60)
		len += (size_t)read(fds[0], got + len, sizeof(got) - len);
	assert_int_equal(len, 24 + 16 + 60);
	assert_memory_equal(got + 40, bytes, 60);
	assert_int_equal(capfile_close(c, NULL), 0);
	capfile_free(c);
	close(fds[0]);
}

static void test_lossless_waits(void **state)
{
	struct capfile_options o = { .queue_bytes = QUEUE, .lossless = true };
	struct slow_reader r = { .pause_us = 200000 };
	struct capfile *c;
	pthread_t thread;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, 0), 0);
	r.fd = fds[0];
	assert_int_equal(pthread_create(&thread, NULL, read_slowly, &r), 0);
	c = new_file(fds[1], &o);
	put_many(c, 0, 50000, 200);
	assert_int_equal(capfile_close(c, NULL), 0);
	pthread_join(thread, NULL);
	capfile_free(c);
	assert_int_equal(r.packets, 50000);
}

static void test_drop_count_is_in_the_next_block(void **state)
{
	struct capfile_options o = { 0 };
	struct capfile *c = new_file(create("drops"), &o);
	char got[256];

	(void)state;
	put_many(c, 0, 1, 60);
	capfile_missed(c, &taps[1], 3);
	capfile_missed(c, &taps[1], 4);
	put_many(c, 1, 4, 60);
	assert_int_equal(capfile_close(c, NULL), 0);
	capfile_free(c);
	if (!have_tool("tshark"))
		skip();
	assert_int_equal(oracle(got, sizeof(got),
				"tshark -n -r %s -T fields -e frame.number -e frame.drop_count",
				path_of("drops")),
			 0);
	assert_string_equal(got, "1\t\n2\t7\n3\t\n4\t\n");
}

/* --- sandbox --- */

/* The loader's part: files that were opened where that is allowed. */
static int take_next(void *ctx, unsigned int index, struct err *e)
{
	const int *fds = ctx;

	(void)e;
	return fds[index];
}

static int under_seccomp(void)
{
	/* What writer.c names, beside what ends a process; madvise and munmap
	 * give back a thread's stack. */
	static const int allowed[] = {
		SCMP_SYS(write),
		SCMP_SYS(futex),
		SCMP_SYS(lseek),
		SCMP_SYS(ftruncate),
		SCMP_SYS(close),
		SCMP_SYS(clock_gettime),
		SCMP_SYS(exit),
		SCMP_SYS(exit_group),
		SCMP_SYS(madvise),
		SCMP_SYS(munmap),
		SCMP_SYS(mmap),
		SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(rt_sigreturn),
		SCMP_SYS(tgkill),
		SCMP_SYS(getpid),
		SCMP_SYS(sched_yield),
		SCMP_SYS(sigaltstack),
		SCMP_SYS(clock_nanosleep),
		SCMP_SYS(set_robust_list),
		SCMP_SYS(gettid),
		SCMP_SYS(fcntl),
	};
	int fds[] = { -1, create("sandbox1"), create("sandbox2"), create("sandbox3") };
	struct capfile_options o = { .lossless = true,
				     .stats = some_stats,
				     .max_packets = 10000,
				     .next_fd = take_next,
				     .ctx = fds };
	struct capfile *c = new_file(fds[1], &o);
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(allowed); i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0))
			return 2;
	/* The writer's thread as well, once it has started: the sanitizer has
	 * more to do there than a thread without it. */
	while (lseek(fds[1], 0, SEEK_END) == 0)
		usleep(1000);
	if (seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1) || seccomp_load(ctx))
		return 3;
	put_many(c, 0, 30000, 200);
	return capfile_close(c, NULL) ? 4 : 0;
}

static void test_needs_few_system_calls(void **state)
{
	(void)state;
	assert_int_equal(in_child(under_seccomp), 0);
	assert_int_equal(count_file("sandbox1"), 10000);
	assert_int_equal(count_file("sandbox2"), 10000);
	assert_int_equal(count_file("sandbox3"), 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_file_is_valid),
		cmocka_unit_test(test_all_is_written),
		cmocka_unit_test(test_rotation_by_packets),
		cmocka_unit_test(test_rotation_loses_nothing),
		cmocka_unit_test(test_rotation_compressed),
		cmocka_unit_test(test_rotation_by_time),
		cmocka_unit_test(test_last_file_is_full),
		cmocka_unit_test(test_next_file_cannot_be_opened),
		cmocka_unit_test(test_file_size_limit),
		cmocka_unit_test(test_disk_full),
		cmocka_unit_test(test_dev_full),
		cmocka_unit_test(test_broken_pipe),
		cmocka_unit_test(test_compressed_stream),
		cmocka_unit_test(test_stuck_pipe),
		cmocka_unit_test(test_stuck_pipe_compressed),
		cmocka_unit_test(test_flushed_batches_share_the_queue),
		cmocka_unit_test(test_flush_is_live),
		cmocka_unit_test(test_lossless_waits),
		cmocka_unit_test(test_drop_count_is_in_the_next_block),
		cmocka_unit_test(test_needs_few_system_calls),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
