// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "nswatch/record.h"
#include "blocks.h"
#include "oracle.h"
#include "sink/capfile.h"
#include "sink/pcapng.h"
#include "sink/writer.h"
#include "stream/hold.h"
#include "stream/record.h"
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
	{ .id = 3, .generation = 1, .dlt = DLT_EN10MB, .target = "php", .ifname = "eth1" },
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
	uint64_t written[ARRAY_SIZE(taps)], lost[ARRAY_SIZE(taps)];
};

static struct books books_of(const struct capfile *c)
{
	struct books b;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(taps); i++)
		capfile_stats(c, &taps[i], &b.written[i], &b.lost[i]);
	return b;
}

static uint64_t sum_of(const uint64_t *by_tap)
{
	return by_tap[0] + by_tap[1] + by_tap[2];
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

/* In which this thread neither had a CPU nor waited for one, give or take a constant. */
static double idle_seconds(void)
{
	unsigned long long ran = 0, waited = 0;
	FILE *f = fopen("/proc/thread-self/schedstat", "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llu %llu", &ran, &waited), 2);
	fclose(f);
	return seconds() - (double)(ran + waited) / 1e9;
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
	double idle, started;
	long whole;
	int fds[2];
	FILE *f;

	assert_int_equal(pipe(fds), 0);
	c = new_file(fds[1], &o);
	idle = idle_seconds();
	stride = gzip ? 200 : 0; /* so that it cannot be compressed */
	put_many(c, 0, 100000, 200);
	assert_true(idle_seconds() - idle < 1);
	b = books_of(c);
	assert_true(b.lost[0] > 10000);
	assert_true(b.written[0] * 200 * 2 > QUEUE / 2);
	started = seconds();
	assert_int_equal(capfile_close(c, &e), -ETIMEDOUT);
	assert_true(seconds() - started < 30);
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

/* --- runs: from where they lie in the ring --- */

#define RING_CHUNKS 256 /* a power of two */

/*
 * A ring as the producers see it: a chunk that is given back is written over at once, so
 * that whoever still reads it writes something else to the file.
 */
static struct {
	_Alignas(64) uint8_t chunks[RING_CHUNKS][NSW_CHUNK];
	_Alignas(64) uint32_t returned[sizeof(struct nsw_returned) / 4 + RING_CHUNKS];
	struct hold holds[RING_CHUNKS];
	uint32_t free[RING_CHUNKS], nr_free;
	uint32_t nr_given, nr_back;	    /* chunks, in all */
	uint64_t packets[ARRAY_SIZE(taps)]; /* laid there, in all */
} ring;

static struct nsw_returned *returned(void)
{
	return (struct nsw_returned *)ring.returned;
}

static void new_ring(void)
{
	uint32_t i;

	memset(&ring, 0, sizeof(ring));
	for (i = 0; i < RING_CHUNKS; i++) {
		ring.holds[i] = (struct hold){ .chunk = i,
					       .returned = returned(),
					       .slot_mask = RING_CHUNKS - 1 };
		ring.free[ring.nr_free++] = i;
	}
}

static void take_back_chunks(void)
{
	uint32_t *slot, nr;

	for (;; ring.nr_back++) {
		slot = &returned()->slots[ring.nr_back % RING_CHUNKS];
		nr = __atomic_exchange_n(slot, 0, __ATOMIC_ACQUIRE);
		if (!nr)
			return;
		memset(ring.chunks[nr - 1], 0xee, NSW_CHUNK);
		ring.free[ring.nr_free++] = nr - 1;
	}
}

static uint32_t take_chunk(void)
{
	take_back_chunks();
	assert_true(ring.nr_free > 0);
	ring.nr_given++;
	return ring.free[--ring.nr_free];
}

static uint32_t chunks_held(void)
{
	take_back_chunks();
	return ring.nr_given - ring.nr_back;
}

/* Whether no more than that many are held, in the end. */
static bool comes_down_to(uint32_t held)
{
	int i;

	for (i = 0; i < 10000 && chunks_held() > held; i++)
		usleep(1000);
	return chunks_held() <= held;
}

/* Packets of one tap in a row. */
struct bunch {
	unsigned int tap;
	uint32_t n;
	uint32_t caplen; /* or up to 3 more */
};

static struct packet bunch_packet(const struct bunch *b, uint64_t n)
{
	struct packet p = make_packet(n, b->caplen + (uint32_t)(n % 4));

	p.tap = &taps[b->tap];
	p.wirelen += n % 5 * 100;
	p.dir = n % 3 ? DIR_IN : DIR_OUT;
	p.csum_partial = n % 7 == 0;
	return p;
}

#define NO_INTERFACE 0xffff /* no file here has so many */

/* Not at the start of its chunk: one chunk can have many runs. */
static struct packet_run lay_run(const struct bunch *b, uint64_t from)
{
	uint32_t chunk = take_chunk(), i;
	struct packet_run run = {
		.tap = &taps[b->tap],
		.blocks = ring.chunks[chunk] + 64,
		.n = b->n,
		.hold = &ring.holds[chunk],
	};

	for (i = 0; i < b->n; i++) {
		struct packet p = bunch_packet(b, from + i);

		assert_true(run.len + p.caplen + 100 < NSW_CHUNK);
		run.len += put_block(run.blocks + run.len, &p, NO_INTERFACE);
	}
	ring.packets[b->tap] += b->n;
	return run;
}

/* What is written from where it lies gets its interface there; the writer may be done with it. */
static bool is_borrowed(const struct packet_run *run)
{
	size_t at = 0, last = 0;
	uint32_t n;

	for (; at < run->len && (n = run_block_len(run, at)); at += n)
		last = at;
	return block_head(run->blocks + last)->interface != NO_INTERFACE;
}

/* The stream's part: it holds the chunk until the run is given. Whether what is left of it at
 * the end is not copied. */
static bool give_laid(struct capfile *c, const struct packet_run *run)
{
	hold_add(run->hold);
	capfile_run(c, run);
	hold_drop(run->hold);
	return is_borrowed(run);
}

static bool give_run(struct capfile *c, const struct bunch *b, uint64_t from)
{
	struct packet_run run = lay_run(b, from);

	return give_laid(c, &run);
}

static bool give_packets(struct capfile *c, const struct bunch *b, uint64_t from)
{
	uint32_t i;

	for (i = 0; i < b->n; i++) {
		struct packet p = bunch_packet(b, from + i);

		capfile_packet(c, &p, NULL);
	}
	return false;
}

typedef bool (*give_fn)(struct capfile *c, const struct bunch *b, uint64_t from);

struct content {
	uint8_t *bytes;
	size_t len;
};

static struct content content_of_stream(FILE *f)
{
	struct content all = { 0 };
	size_t n;

	assert_non_null(f);
	do {
		all.bytes = realloc(all.bytes, all.len + 65536);
		n = fread(all.bytes + all.len, 1, 65536, f);
		all.len += n;
	} while (n);
	fclose(f);
	return all;
}

static struct content content_of(const char *name)
{
	return content_of_stream(fopen(path_of(name), "r"));
}

/* Both are used up. */
static void assert_same(struct content a, struct content b)
{
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.bytes, b.bytes, b.len);
	free(a.bytes);
	free(b.bytes);
}

static const struct capfile_options options_pcapng = { .queue_bytes = QUEUE };

static const struct bunch mix[] = {
	{ 0, 3, 60 },  { 0, 200, 90 }, { 1, 20, 1400 }, { 1, 1, 0 },   { 2, 1, 30000 },
	{ 2, 30, 77 }, { 0, 300, 0 },  { 1, 40, 500 },	{ 1, 50, 61 }, { 2, 2, 3900 },
};

/* Large and small runs, with single packets between them, and a tap that gets another
 * interface in the middle. All of it is less than what may wait, however slow the disk. */
static void give_mix(struct capfile *c, give_fn give)
{
	uint64_t n = 0;
	size_t round, i;

	for (round = 0; round < 8; round++) {
		for (i = 0; i < ARRAY_SIZE(mix); n += mix[i++].n) {
			give(c, &mix[i], n);
			if (i % 3 == 0)
				give_packets(c, &(struct bunch){ 1, 1, 99 }, n);
		}
		if (round == 4)
			capfile_tap(c, &taps[0]);
		if (round % 2)
			capfile_let_go(c);
	}
}

static struct content write_mix(const struct capfile_options *o, const char *name, give_fn give)
{
	struct capfile *c = new_file(create(name), o);
	struct books b;

	give_mix(c, give);
	assert_int_equal(capfile_close(c, NULL), 0);
	b = books_of(c);
	capfile_free(c);
	assert_int_equal(b.written[0], 8 * 503);
	assert_int_equal(b.written[1], 8 * (111 + 4));
	assert_int_equal(b.written[2], 8 * 33);
	assert_int_equal(sum_of(b.lost), 0);
	return content_of_stream(o->gzip ? open_packed(path_of(name)) : fopen(path_of(name), "r"));
}

static void test_runs_are_written_as_packets(void **state)
{
	static const struct capfile_options options[] = {
		{ .format = FORMAT_PCAPNG },
		{ .format = FORMAT_PCAPNG, .gzip = true },
		{ .format = FORMAT_PCAPNG, .lossless = true },
		{ .format = FORMAT_PCAP, .dlt = DLT_EN10MB },
		{ .format = FORMAT_PCAP, .dlt = DLT_EN10MB, .gzip = true },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(options); i++) {
		new_ring();
		assert_same(write_mix(&options[i], "runs", give_run),
			    write_mix(&options[i], "packets", give_packets));
		assert_int_equal(chunks_held(), 0);
		if (!options[i].gzip)
			assert_clean("runs");
	}
}

static void test_what_is_copied(void **state)
{
	static const struct {
		struct capfile_options o;
		struct bunch b;
		bool is_held;
	} cases[] = {
		{ { 0 }, { 0, 1, 4052 }, true }, /* a block of 4,096 bytes */
		{ { 0 }, { 0, 1, 4048 }, false },
		{ { 0 }, { 0, 90, 0 }, true },
		{ { 0 }, { 0, 80, 0 }, false },
		{ { .gzip = true }, { 0, 200, 90 }, false },
		{ { .lossless = true }, { 0, 200, 90 }, false },
		{ { .format = FORMAT_PCAP, .dlt = DLT_EN10MB }, { 0, 200, 90 }, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct capfile *c = new_file(create("copied"), &cases[i].o);
		FILE *f;

		new_ring();
		assert_int_equal(give_run(c, &cases[i].b, 0), cases[i].is_held);
		assert_int_equal(chunks_held(), cases[i].is_held);
		assert_int_equal(capfile_close(c, NULL), 0);
		capfile_free(c);
		assert_int_equal(chunks_held(), 0);
		f = cases[i].o.gzip ? open_packed(path_of("copied"))
				    : fopen(path_of("copied"), "r");
		assert_int_equal(count_stream(f), cases[i].b.n);
	}
}

/* Files that are handed on at a stroke hold nothing longer than it takes to write them. */
static void test_let_go_is_live(void **state)
{
	struct capfile *c = new_file(create("live"), &options_pcapng);

	(void)state;
	new_ring();
	assert_true(give_run(c, &(struct bunch){ 0, 200, 90 }, 0));
	usleep(20000);
	assert_int_equal(chunks_held(), 1);
	capfile_let_go(c);
	assert_true(comes_down_to(0));
	assert_int_equal(capfile_close(c, NULL), 0);
	capfile_free(c);
}

/* No more than so many spans in a batch: what they hold comes back though the batch is far from
 * full. The writer sleeps while it has three or fewer. The first has the interface as one of its
 * own. */
static void test_batch_full_of_spans(void **state)
{
	static const struct bunch small = { 0, 1, 4100 };
	static const struct capfile_options options = {
		.format = FORMAT_PCAPNG,
		.borrow_bytes = sizeof(ring.chunks),
	};
	struct capfile *c = new_file(create("spans"), &options);
	uint32_t i;

	(void)state;
	new_ring();
	for (i = 0; i <= 8 * BATCH_SPANS; i++)
		assert_true(give_run(c, &small, i));
	assert_true(comes_down_to(3 * BATCH_SPANS + 2));
	assert_int_equal(capfile_close(c, NULL), 0);
	capfile_free(c);
	assert_int_equal(chunks_held(), 0);
	c = new_file(create("packets"), &options_pcapng);
	for (i = 0; i <= 8 * BATCH_SPANS; i++)
		give_packets(c, &small, i);
	assert_int_equal(capfile_close(c, NULL), 0);
	capfile_free(c);
	assert_same(content_of("spans"), content_of("packets"));
}

static void test_missed_before_a_run(void **state)
{
	static const struct bunch bunch = { 1, 100, 90 };
	struct books b;
	char got[256];
	int i;

	(void)state;
	new_ring();
	for (i = 0; i < 2; i++) {
		give_fn give = i ? give_run : give_packets;
		struct capfile *c = new_file(create(i ? "runs" : "packets"), &options_pcapng);

		capfile_missed(c, &taps[0], 5);
		give(c, &bunch, 0);
		capfile_missed(c, &taps[1], 3);
		capfile_missed(c, &taps[1], 4);
		assert_int_equal(give(c, &bunch, 100), i); /* all but the first one */
		assert_int_equal(capfile_close(c, NULL), 0);
		b = books_of(c);
		assert_int_equal(b.written[1], 200);
		capfile_free(c);
	}
	assert_int_equal(chunks_held(), 0);
	assert_same(content_of("runs"), content_of("packets"));
	if (!have_tool("tshark"))
		skip();
	assert_int_equal(oracle(got, sizeof(got),
				"tshark -n -r %s -Y frame.drop_count -T fields -e frame.number -e "
				"frame.drop_count",
				path_of("runs")),
			 0);
	assert_string_equal(got, "101\t7\n");
}

/* Nobody has looked at the blocks within a run before. One that cannot be ends it: the rest is
 * lost, and counted. */
static void test_run_with_an_untrue_length(void **state)
{
	static const struct capfile_options options[] = {
		{ .format = FORMAT_PCAPNG, .lossless = true },
		{ .format = FORMAT_PCAP, .dlt = DLT_EN10MB },
	};
	static const struct bunch bunch = { 0, 200, 90 };
	static const uint32_t lengths[] = { 0, 43, NSW_CHUNK, UINT32_MAX };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(options) * ARRAY_SIZE(lengths); i++) {
		const struct capfile_options *o = &options[i / ARRAY_SIZE(lengths)];
		struct capfile *c = new_file(create("untrue"), o);
		struct packet_run run;
		struct nsw_block *second;
		struct books b;

		new_ring();
		run = lay_run(&bunch, 0);
		second = (void *)(run.blocks + block_len(run.blocks));
		second->len = lengths[i % ARRAY_SIZE(lengths)];
		give_laid(c, &run);
		assert_int_equal(capfile_close(c, NULL), 0);
		b = books_of(c);
		capfile_free(c);
		assert_int_equal(b.written[0], 1);
		assert_int_equal(b.lost[0], 199);
		assert_int_equal(count_file("untrue"), 1);
	}
}

/* --- runs and an output that is in trouble --- */

static const struct bunch full_chunks[] = { { 0, 22, 1400 }, { 1, 300, 60 }, { 2, 1, 32000 } };

/* As the collector does it: no interface is declared between two runs. */
static struct capfile *new_file_of_taps(int fd)
{
	struct capfile *c = new_file(fd, &options_pcapng);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(taps); i++)
		capfile_tap(c, &taps[i]);
	return c;
}

static struct capfile *new_file_in_pipe(int fds[2])
{
	new_ring();
	assert_int_equal(pipe(fds), 0);
	return new_file_of_taps(fds[1]);
}

/* Chunk after chunk, of one tap after the other. */
static void give_chunks(struct capfile *c, uint32_t nr, give_fn give)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		const struct bunch *b = &full_chunks[i % 3];

		give(c, b, n);
		n += b->n;
	}
}

static struct content write_chunks(uint32_t nr)
{
	struct capfile *c = new_file_of_taps(create("reference"));

	give_chunks(c, nr, give_packets);
	assert_int_equal(capfile_close(c, NULL), 0);
	capfile_free(c);
	return content_of("reference");
}

/* Of every tap: all that was in the ring is in the file, or lost. */
static bool books_add_up(const struct books *b)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(taps); i++)
		if (b->written[i] + b->lost[i] != ring.packets[i])
			return false;
	return true;
}

static void *read_all(void *arg)
{
	struct content *got = arg;

	*got = content_of_stream(fdopen((int)got->len, "r"));
	return NULL;
}

/* A reader who has stopped reads on, from now. Until then `len` is its descriptor. */
static pthread_t start_reading(struct content *got, int fd)
{
	pthread_t thread;

	*got = (struct content){ .len = (size_t)fd };
	assert_int_equal(pthread_create(&thread, NULL, read_all, got), 0);
	return thread;
}

/* What lies in the ring stays there until it is written, and not longer. */
static void test_held_until_written(void **state)
{
	struct capfile *c;
	struct content got;
	pthread_t thread;
	int fds[2];

	(void)state;
	c = new_file_in_pipe(fds);
	give_chunks(c, 36, give_run);
	capfile_let_go(c);
	usleep(100000); /* the pipe is full, in the middle of the first batch */
	assert_int_equal(chunks_held(), 36);
	thread = start_reading(&got, fds[0]);
	assert_true(comes_down_to(0));
	assert_int_equal(capfile_close(c, NULL), 0);
	capfile_free(c);
	pthread_join(thread, NULL);
	assert_same(got, write_chunks(36));
}

/* Spans that are handed on one by one, and packets in between, do not use up the queue. */
static void test_let_go_batches_share_the_queue(void **state)
{
	static const struct bunch small = { 0, 1, 4100 }, single = { 1, 1, 500 };
	struct capfile *c;
	struct content got;
	struct books b;
	pthread_t thread;
	uint32_t i;
	int fds[2];

	(void)state;
	c = new_file_in_pipe(fds);
	give_chunks(c, 9, give_run);
	capfile_let_go(c);
	usleep(100000); /* stuck in that batch */
	for (i = 0; i < 50; i++) {
		assert_true(give_run(c, &small, i));
		capfile_let_go(c);
		give_packets(c, &single, i);
	}
	assert_int_equal(chunks_held(), 59);
	thread = start_reading(&got, fds[0]);
	assert_int_equal(capfile_close(c, NULL), 0);
	pthread_join(thread, NULL);
	free(got.bytes);
	b = books_of(c);
	assert_int_equal(sum_of(b.lost), 0);
	assert_int_equal(b.written[0], 3 * full_chunks[0].n + 50);
	assert_int_equal(b.written[1], 3 * full_chunks[1].n + 50);
	capfile_free(c);
	assert_int_equal(chunks_held(), 0);
}

/* How many of so many chunks are not copied. */
static uint32_t give_and_count_borrowed(struct capfile *c, uint32_t nr)
{
	uint32_t borrowed = 0, i;

	for (i = 0; i < nr; i++)
		borrowed += give_run(c, &full_chunks[i % 3], i);
	return borrowed;
}

static void use_one_cpu(cpu_set_t *before)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_getaffinity(0, sizeof(*before), before), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

/* A ring full of chunks at once, to a file. How many of them are not copied. */
static uint32_t give_all_at_once(void)
{
	static const struct bunch chunk = { 0, 22, 1400 };
	static const struct capfile_options options = {
		.format = FORMAT_PCAPNG,
		.borrow_bytes = 1024 * 1024,
		.borrow_wait_ns = 900000000, /* longer than others have the CPU */
	};
	static struct packet_run runs[RING_CHUNKS - 1];
	struct capfile *c = new_file(create("late"), &options);
	uint32_t borrowed = 0, i;

	new_ring();
	for (i = 0; i < ARRAY_SIZE(runs); i++)
		runs[i] = lay_run(&chunk, i);
	for (i = 0; i < ARRAY_SIZE(runs); i++)
		borrowed += give_laid(c, &runs[i]);
	assert_int_equal(capfile_close(c, NULL), 0);
	capfile_free(c);
	assert_int_equal(count_file("late"), ARRAY_SIZE(runs) * chunk.n);
	return borrowed;
}

static long nr_waits(void)
{
	struct rusage used;

	assert_int_equal(getrusage(RUSAGE_THREAD, &used), 0);
	return used.ru_nvcsw;
}

/* No CPU is left for the writer. It gets its moments, so that nothing is copied. */
static void test_late_writer_is_waited_for(void **state)
{
	cpu_set_t before;
	uint32_t borrowed;
	long waits;

	(void)state;
	use_one_cpu(&before);
	waits = nr_waits();
	borrowed = give_all_at_once();
	waits = nr_waits() - waits;
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	assert_true(waits > 0);
	assert_int_equal(borrowed, RING_CHUNKS - 1);
}

/* While the output lags behind, its queue has room, and then it has not; the ring has. */
static void test_lag_leaves_the_ring_free(void **state)
{
	uint32_t borrowed, i;
	struct capfile *c;
	struct content got;
	struct books b;
	pthread_t thread;
	char text[256];
	FILE *f;
	int fds[2];
	long waits;

	(void)state;
	c = new_file_in_pipe(fds);
	waits = nr_waits();
	borrowed = give_and_count_borrowed(c, 3 * RING_CHUNKS);
	assert_in_range(nr_waits() - waits, 1, 20); /* it is waited for once, not always */
	assert_in_range(borrowed * NSW_CHUNK, QUEUE / 3, QUEUE * 2 / 3);
	assert_int_equal(chunks_held(), borrowed);
	thread = start_reading(&got, fds[0]);
	assert_true(comes_down_to(0));
	/* What was lost is told with what comes then. */
	for (i = 0; i < 3; i++)
		give_run(c, &(struct bunch){ i, 50, 90 }, i);
	assert_int_equal(capfile_close(c, NULL), 0);
	pthread_join(thread, NULL);
	b = books_of(c);
	capfile_free(c);
	assert_true(b.lost[0] && b.lost[1] && b.lost[2]);
	assert_int_equal(chunks_held(), 0);
	f = fopen(path_of("lag"), "w");
	fwrite(got.bytes, 1, got.len, f);
	fclose(f);
	free(got.bytes);
	assert_true(books_add_up(&b));
	assert_int_equal(count_file("lag"), sum_of(b.written));
	if (!have_tool("tshark"))
		skip();
	assert_int_equal(oracle(text, sizeof(text),
				"tshark -n -r %s -Y frame.drop_count -T fields -e frame.drop_count "
				"| awk '{ n += $1 } END { print n }'",
				path_of("lag")),
			 0);
	assert_int_equal(strtoull(text, NULL, 10), sum_of(b.lost));
}

/* Packets of each tap in a file that is read block by block; its interfaces are in the order of
 * the taps. */
static struct books books_in(const struct content *file)
{
	struct books b = { 0 };
	size_t at = 0, len;
	uint32_t interface;
	int is_packet;

	while ((len = pcapng_block_len(file->bytes + at, file->len - at, &is_packet)) > 0) {
		memcpy(&interface, file->bytes + at + 8, sizeof(interface));
		if (is_packet)
			b.written[interface]++;
		at += len;
	}
	return b;
}

/* Where the last block that is whole ends. */
static size_t end_of_blocks(const struct content *file, size_t limit)
{
	size_t at = 0, len;
	int is_packet;

	while (at < limit && (len = pcapng_block_len(file->bytes + at, limit - at, &is_packet)) > 0)
		at += len;
	return at;
}

/* A file that may have so many bytes: which of the things that should be true is not. */
static int write_limited(const struct content *whole, rlim_t size, bool copied)
{
	struct rlimit limit = { size, RLIM_INFINITY };
	struct capfile *c;
	struct content got;
	struct books b, in;
	int error, r = 0;

	new_ring();
	setrlimit(RLIMIT_FSIZE, &limit);
	c = new_file_of_taps(create("limited"));
	if (copied)
		capfile_missed(c, &taps[2], 1); /* so that it is a run, a packet, a run */
	give_chunks(c, 24, give_run);
	error = capfile_close(c, NULL);
	b = books_of(c);
	capfile_free(c);
	got = content_of("limited");
	in = books_in(&got);
	if (error != -EFBIG || !books_add_up(&b))
		r = 1;
	else if (memcmp(in.written, b.written, sizeof(b.written)) != 0)
		r = 2;
	else if (!copied && (got.len != end_of_blocks(whole, size) ||
			     memcmp(got.bytes, whole->bytes, got.len) != 0))
		r = 3;
	else if (end_of_blocks(&got, got.len) != got.len)
		r = 4;
	else if (chunks_held())
		r = 5;
	free(got.bytes);
	return r;
}

/* Ends everywhere in the first and at the start of the second batch, which have large blocks
 * and small ones. */
static int runs_over_size_limit(void)
{
	struct content whole = write_chunks(24);
	rlim_t size;
	int r = 0;

	for (size = 1000; !r && size < 330000; size += 2999)
		r = write_limited(&whole, size, false) + 10 * write_limited(&whole, size, true);
	free(whole.bytes);
	return r;
}

static void test_runs_over_size_limit(void **state)
{
	(void)state;
	assert_int_equal(in_child(runs_over_size_limit), 0);
	assert_clean("limited");
}

static void test_runs_to_full_device(void **state)
{
	struct capfile *c = new_file_of_taps(open("/dev/full", O_WRONLY));
	struct books b;

	(void)state;
	new_ring();
	give_chunks(c, 100, give_run);
	assert_int_equal(capfile_close(c, NULL), -ENOSPC);
	b = books_of(c);
	capfile_free(c);
	assert_int_equal(sum_of(b.written), 0);
	assert_true(books_add_up(&b));
	assert_int_equal(chunks_held(), 0);
}

/* Its reader goes in the middle of a batch. */
static void test_runs_to_broken_pipe(void **state)
{
	struct capfile *c;
	struct books b;
	static uint8_t some[100000];
	size_t len = 0;
	int fds[2];

	(void)state;
	c = new_file_in_pipe(fds);
	give_chunks(c, 36, give_run);
	capfile_let_go(c);
	while (len < sizeof(some))
		len += (size_t)read(fds[0], some + len, sizeof(some) - len);
	close(fds[0]);
	give_chunks(c, 36, give_run);
	assert_int_equal(capfile_close(c, NULL), -EPIPE);
	b = books_of(c);
	capfile_free(c);
	assert_true(books_add_up(&b));
	assert_true(sum_of(b.written) > 300);
	assert_true(sum_of(b.lost) > 36 / 3 * 323);
	assert_int_equal(chunks_held(), 0);
}

/* Nobody reads any more: close gives up, and gives back what was held. */
static void test_runs_to_stuck_pipe(void **state)
{
	struct content got = { 0 };
	struct capfile *c;
	struct books b, in;
	pthread_t thread;
	int fds[2];

	(void)state;
	c = new_file_in_pipe(fds);
	give_chunks(c, 36, give_run);
	assert_int_equal(capfile_close(c, NULL), -ETIMEDOUT);
	b = books_of(c);
	capfile_free(c);
	assert_true(books_add_up(&b));
	assert_int_equal(chunks_held(), 0);
	thread = start_reading(&got, fds[0]);
	pthread_join(thread, NULL);
	in = books_in(&got);
	assert_memory_equal(in.written, b.written, sizeof(b.written));
	assert_true(sum_of(b.written) > 300);
	free(got.bytes);
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
		SCMP_SYS(write),	   SCMP_SYS(writev),
		SCMP_SYS(futex),	   SCMP_SYS(lseek),
		SCMP_SYS(ftruncate),	   SCMP_SYS(close),
		SCMP_SYS(clock_gettime),   SCMP_SYS(exit),
		SCMP_SYS(exit_group),	   SCMP_SYS(madvise),
		SCMP_SYS(munmap),	   SCMP_SYS(mmap),
		SCMP_SYS(rt_sigprocmask),  SCMP_SYS(rt_sigreturn),
		SCMP_SYS(tgkill),	   SCMP_SYS(getpid),
		SCMP_SYS(sched_yield),	   SCMP_SYS(sigaltstack),
		SCMP_SYS(clock_nanosleep), SCMP_SYS(set_robust_list),
		SCMP_SYS(gettid),	   SCMP_SYS(fcntl),
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
		cmocka_unit_test(test_runs_are_written_as_packets),
		cmocka_unit_test(test_what_is_copied),
		cmocka_unit_test(test_let_go_is_live),
		cmocka_unit_test(test_batch_full_of_spans),
		cmocka_unit_test(test_missed_before_a_run),
		cmocka_unit_test(test_held_until_written),
		cmocka_unit_test(test_let_go_batches_share_the_queue),
		cmocka_unit_test(test_run_with_an_untrue_length),
		cmocka_unit_test(test_late_writer_is_waited_for),
		cmocka_unit_test(test_lag_leaves_the_ring_free),
		cmocka_unit_test(test_runs_over_size_limit),
		cmocka_unit_test(test_runs_to_full_device),
		cmocka_unit_test(test_runs_to_broken_pipe),
		cmocka_unit_test(test_runs_to_stuck_pipe),
		cmocka_unit_test(test_needs_few_system_calls),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
