// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "file/reader.h"
#include "oracle.h"
#include "sink/pcap.h"
#include "sink/pcapng.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pcap/dlt.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CORPUS "../shared/corpus/captures"
#define NS     1000000000

static void need_corpus(void)
{
	if (access(CORPUS, R_OK)) {
		print_message("skipped: no " CORPUS "\n");
		skip();
	}
}

static void need_tool(const char *name)
{
	if (!have_tool(name)) {
		print_message("skipped: no %s here\n", name);
		skip();
	}
}

/* A file in memory; the reader gets an fd of its own. */
static int file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("reader-test", MFD_CLOEXEC);

	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Reads to the end; the last return value, and how many packets came before. */
static int drain(struct reader *r, uint64_t *nr, struct err *e)
{
	struct packet p;
	volatile uint8_t sum = 0;
	int got;

	for (*nr = 0; (got = reader_next(r, &p, e)) == 1; ++*nr)
		for (uint32_t i = 0; i < p.caplen; i++)
			sum += p.data[i];
	return got;
}

/* The same packets as editcap (Wireshark's own reader) finds in the file. */
static void compare_with_editcap(const char *path)
{
	struct {
		uint32_t sec, ns, caplen, len;
	} want;
	struct err e = { 0 };
	struct reader *r = reader_open(path, &e);
	static uint8_t data[1 << 18];
	struct packet p;
	char cmd[1024];
	FILE *f;

	snprintf(cmd, sizeof(cmd), "editcap -F nsecpcap %s -", path);
	f = popen(cmd, "r");
	assert_non_null(r);
	assert_non_null(f);
	assert_int_equal(fread(data, 1, 24, f), 24);
	while (reader_next(r, &p, &e) == 1) {
		assert_int_equal(fread(&want, sizeof(want), 1, f), 1);
		/* Its seconds have 32 bits; of what is more than a second behind the second
		 * each makes something else. */
		if (want.ns < NS) {
			assert_int_equal((uint32_t)(p.time / NS), want.sec);
			assert_int_equal(p.time % NS, want.ns);
		}
		assert_int_equal(p.wirelen, want.len);
		assert_int_equal(p.caplen, want.caplen);
		assert_int_equal(fread(data, 1, p.caplen, f), p.caplen);
		assert_memory_equal(p.data, data, p.caplen);
	}
	assert_int_equal(fread(data, 1, 1, f), 0);
	assert_int_equal(pclose(f), 0);
	reader_free(r);
}

static void test_corpus_equals_editcap(void **state)
{
	struct dirent *ent;
	char path[512];
	DIR *d;

	(void)state;
	need_corpus();
	need_tool("editcap");
	d = opendir(CORPUS);
	while ((ent = readdir(d))) {
		if (ent->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), CORPUS "/%s", ent->d_name);
		compare_with_editcap(path);
	}
	closedir(d);
}

/* A capture cut anywhere: each whole packet is delivered, then one clear
 * message, or a clean end where a packet ends. */
static void cut_everywhere(const uint8_t *bytes, size_t len, const size_t *ends, size_t nr_ends)
{
	struct err e;
	size_t cut, whole;
	struct reader *r;
	uint64_t nr;
	int got;

	for (cut = 0; cut <= len; cut++) {
		char text[64];
		bool at_end = false;

		for (whole = 0; whole < nr_ends && ends[whole] <= cut; whole++)
			at_end = ends[whole] == cut;
		e = (struct err){ 0 };
		r = reader_open_fd(file_of(bytes, cut), "x.cap", &e);
		if (!r) {
			assert_int_equal(whole, 0);
			if (!strstr(e.msg, "x.cap: ends within its header") &&
			    !strstr(e.msg, "x.cap: is empty") &&
			    !strstr(e.msg, "x.cap: not a capture file") &&
			    !strstr(e.msg, "has no Interface Description Blocks"))
				fail_msg("cut at %zu: %s", cut, e.msg);
			continue;
		}
		got = drain(r, &nr, &e);
		assert_int_equal(nr, whole ? whole - 1 : 0);
		if (at_end) {
			assert_int_equal(got, 0);
		} else {
			snprintf(text, sizeof(text), "x.cap: cut short in the middle of packet %zu",
				 whole ? whole : 1);
			assert_int_equal(got, -EBADMSG);
			assert_string_equal(e.msg, text);
		}
		reader_free(r);
	}
}

static const uint8_t frame[64] = { [12] = 8, 0, 0x45 };

static struct packet make_packet(int64_t time, const struct tap *tap)
{
	return (struct packet){
		.time = time, .data = frame, .caplen = 61, .wirelen = 61, .tap = tap
	};
}

static void test_cut_pcap(void **state)
{
	uint8_t out[1024];
	size_t ends[4], len, i;

	(void)state;
	ends[0] = len = pcap_put_header(out, sizeof(out), DLT_EN10MB, 100);
	for (i = 1; i < 4; i++) {
		struct packet p = make_packet(0, NULL);

		len += pcap_put_record(out + len, sizeof(out) - len, 100, &p);
		ends[i] = len;
	}
	cut_everywhere(out, len, ends, 4);
}

static void test_cut_pcapng(void **state)
{
	struct tap tap = { .id = 1, .dlt = DLT_EN10MB, .ifname = "eth0" };
	uint8_t out[2048];
	size_t ends[4], len, i;

	(void)state;
	len = pcapng_put_section(out, sizeof(out), NULL, NULL, "x");
	len += pcapng_put_interface(out + len, sizeof(out) - len, &tap, 100, NULL);
	ends[0] = len;
	for (i = 1; i < 4; i++) {
		struct packet p = make_packet(0, &tap);

		len += pcapng_put_packet(out + len, sizeof(out) - len, 0, 100, &p, "c", 0);
		ends[i] = len;
	}
	cut_everywhere(out, len, ends, 4);
}

/* Interfaces with snapshot lengths of their own, packets longer than those, times
 * far away, and all that through a pipe byte by byte. */
static void test_pcapng_through_a_dripping_pipe(void **state)
{
	struct tap tap = { .id = 1, .dlt = DLT_EN10MB, .ifname = "eth0" };
	static const int64_t times[] = { 1, 4323283200000000007, INT64_MAX };
	uint8_t out[2048];
	struct err e = { 0 };
	struct reader *r;
	struct packet p;
	size_t len, i;
	int fds[2], status;
	pid_t pid;

	(void)state;
	len = pcapng_put_section(out, sizeof(out), NULL, NULL, "x");
	len += pcapng_put_interface(out + len, sizeof(out) - len, &tap, 10, NULL);
	len += pcapng_put_interface(out + len, sizeof(out) - len, &tap, 20, "ip");
	for (i = 0; i < 3; i++) {
		p = make_packet(times[i], &tap);
		len += pcapng_put_packet(out + len, sizeof(out) - len, i & 1, 64, &p, NULL, 0);
	}
	assert_int_equal(pipe2(fds, O_DIRECT), 0); /* packet mode: a read per write */
	fflush(NULL);
	pid = fork();
	if (!pid) {
		for (i = 0; i < len; i++)
			if (write(fds[1], out + i, 1) != 1)
				_exit(1);
		_exit(0);
	}
	close(fds[1]);
	r = reader_open_fd(fds[0], "-", &e);
	assert_non_null(r);
	for (i = 0; i < 3; i++) {
		assert_int_equal(reader_next(r, &p, &e), 1);
		assert_int_equal(p.time, times[i]);
		assert_int_equal(p.caplen, 61);
		assert_int_equal(p.number, i + 1);
		assert_memory_equal(p.data, frame, 61);
	}
	assert_int_equal(reader_next(r, &p, &e), 0);
	reader_free(r);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void expect_refusal(const void *bytes, size_t len, const char *text)
{
	struct err e = { 0 };

	assert_null(reader_open_fd(file_of(bytes, len), "x", &e));
	assert_string_equal(e.msg, text);
}

static void test_no_capture_file(void **state)
{
	struct err e = { 0 };

	(void)state;
	expect_refusal("", 0, "x: is empty");
	expect_refusal("#!/bin/sh\necho hello\n", 21,
		       "x: not a capture file (neither pcap nor pcapng)");
	assert_null(reader_open("/nonexistent", &e));
	assert_string_equal(e.msg, "/nonexistent: No such file or directory");
	assert_null(reader_open("/tmp", &e));
	assert_string_equal(e.msg, "/tmp: Is a directory");
}

/* One file, two link types: libpcap can't, and says so. */
static void test_differing_link_types(void **state)
{
	struct tap ether = { .dlt = DLT_EN10MB }, raw = { .dlt = DLT_RAW };
	struct packet p = make_packet(0, &ether);
	struct err e = { 0 };
	uint8_t out[1024];
	struct reader *r;
	size_t len;

	(void)state;
	len = pcapng_put_section(out, sizeof(out), NULL, NULL, "x");
	len += pcapng_put_interface(out + len, sizeof(out) - len, &ether, 64, NULL);
	len += pcapng_put_packet(out + len, sizeof(out) - len, 0, 64, &p, NULL, 0);
	len += pcapng_put_interface(out + len, sizeof(out) - len, &raw, 64, NULL);
	r = reader_open_fd(file_of(out, len), "x", &e);
	assert_non_null(r);
	assert_int_equal(reader_next(r, &p, &e), 1);
	assert_int_equal(reader_next(r, &p, &e), -EBADMSG);
	assert_non_null(strstr(e.msg, "different from the type of the first interface"));
	reader_free(r);
}

static void test_link_types(void **state)
{
	static const struct {
		int dlt, result;
	} rows[] = {
		{ DLT_EN10MB, 0 },	     { DLT_RAW, 0 },	    { DLT_NULL, 0 },
		{ DLT_LINUX_SLL, 0 },	     { DLT_LINUX_SLL2, 0 }, { DLT_IEEE802_11, -ENOTSUP },
		{ DLT_USB_LINUX, -ENOTSUP },
	};
	uint8_t out[24];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct err e = { 0 };
		struct reader *r;

		pcap_put_header(out, sizeof(out), rows[i].dlt, 100);
		r = reader_open_fd(file_of(out, sizeof(out)), "x", &e);
		assert_non_null(r);
		assert_int_equal(reader_tap(r)->dlt, rows[i].dlt);
		assert_int_equal(reader_check_link(r, &e), rows[i].result);
		if (rows[i].dlt == DLT_IEEE802_11)
			assert_string_equal(e.msg, "x: cannot decode link type 105 (802.11)");
		reader_free(r);
	}
}

static void test_filter_equals_tcpdump(void **state)
{
	static const char *const filters[] = { "udp port 53", "src host 192.168.1.11", "not ip",
					       "greater 100 or tcp" };
	static const char file[] = CORPUS "/dns_udp.pcap";
	struct err e = { 0 };
	struct reader *r;
	char got[64];
	uint64_t nr;
	size_t i;

	(void)state;
	need_corpus();
	need_tool("tcpdump");
	for (i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
		r = reader_open(file, &e);
		assert_non_null(r);
		assert_int_equal(reader_filter(r, filters[i], &e), 0);
		assert_int_equal(drain(r, &nr, &e), 0);
		reader_free(r);
		assert_int_equal(oracle(got, sizeof(got),
					"tcpdump -n -r %s '%s' 2>/dev/null | wc -l", file,
					filters[i]),
				 0);
		assert_int_equal(nr, strtoull(got, NULL, 10));
	}
	r = reader_open(file, &e);
	assert_non_null(r);
	assert_int_equal(reader_filter(r, "udp prot 53", &e), -EINVAL);
	assert_non_null(strstr(e.msg, "filter \"udp prot 53\": "));
	assert_non_null(strstr(e.msg, "syntax error"));
	reader_free(r);
}

/* Bits flipped at random places: whatever comes, no byte outside is touched. */
static void test_damaged_files(void **state)
{
	struct tap tap = { .id = 1, .dlt = DLT_EN10MB, .ifname = "eth0" };
	uint8_t good[4096], bad[4096];
	struct err e = { 0 };
	uint64_t seed = 1, nr;
	size_t len, i, n;

	(void)state;
	len = pcapng_put_section(good, sizeof(good), "hw", "os", "x");
	for (i = 0; i < 3; i++)
		len += pcapng_put_interface(good + len, sizeof(good) - len, &tap, 100, "udp");
	for (i = 0; i < 9; i++) {
		struct packet p = make_packet((int64_t)i, &tap);

		len += pcapng_put_packet(good + len, sizeof(good) - len, i % 3, 64, &p, "c", i);
	}
	for (n = 0; n < 5000; n++) {
		struct reader *r;

		memcpy(bad, good, len);
		for (i = 0; i < 1 + n % 4; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			bad[(seed >> 33) % len] ^= (uint8_t)(1u << (seed >> 61));
		}
		r = reader_open_fd(file_of(bad, len), "x", &e);
		if (r)
			drain(r, &nr, &e);
		reader_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus_equals_editcap),
		cmocka_unit_test(test_cut_pcap),
		cmocka_unit_test(test_cut_pcapng),
		cmocka_unit_test(test_pcapng_through_a_dripping_pipe),
		cmocka_unit_test(test_no_capture_file),
		cmocka_unit_test(test_differing_link_types),
		cmocka_unit_test(test_link_types),
		cmocka_unit_test(test_filter_equals_tcpdump),
		cmocka_unit_test(test_damaged_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
