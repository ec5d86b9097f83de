# SPDX-License-Identifier: GPL-2.0-only
#
# make            build ./nswatch; objects and generated files go to .output/
# make asan       build .output/asan/nswatch with AddressSanitizer and UBSan
# make check      run the unit tests (no root needed), under ASan and UBSan
# make bpf-check run the tests that load BPF programs (root)
# make fuzz       run the libFuzzer targets, FUZZ_SECONDS=60 each, all at once
# make bench      measure against tcpdump, dumpcap, tshark (root); see tests/bench/README
# make lint       clang-format, clang-tidy, cppcheck, vmlinux.h against this kernel
# make install    PREFIX=/usr/local DESTDIR=
#
# V=1 shows the commands.

VERSION := 0.1.0

PREFIX  ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR  ?= $(PREFIX)/share/man
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR  ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
OUT     ?= .output

CC      ?= cc
CLANG   ?= clang
# As libbpf's headers call the machine.
BPFARCH := -D__TARGET_ARCH_$(shell $(CC) -dumpmachine | sed 's/-.*//; s/x86_64/x86/; s/aarch64/arm64/')
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PKGCONF ?= pkg-config

LIBS    := libbpf libelf zlib libpcap libmnl jansson libseccomp libcap
WARN    := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wpointer-arith -Wvla -Wformat=2 -Wno-format-nonliteral -Wno-format-truncation
CFLAGS  ?= -O2 -g
DEFS    := -D_GNU_SOURCE -DNSWATCH_VERSION='"$(VERSION)"'
INCS    := -Iinclude -Iuser -I$(OUT) $(shell $(PKGCONF) --cflags $(LIBS) 2>/dev/null)
HARDEN  := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
ALLCF    = -std=gnu11 $(WARN) $(CFLAGS) $(DEFS) $(INCS) -MMD -MP -pthread
LDLIBS  := $(shell $(PKGCONF) --libs $(LIBS) 2>/dev/null) -pthread
SAN     := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

SRCS    := $(sort $(wildcard user/*.c user/*/*.c))
# Everything but main(): what the unit tests link.
LIBSRCS := $(filter-out user/main.c,$(SRCS))
TESTS   := $(sort $(wildcard tests/unit/*_test.c))

ifeq ($(V),1)
  Q :=
  say = @:
else
  Q := @
  say = @printf '  %-8s %s\n'
endif

all: nswatch

nswatch: $(SRCS:%.c=$(OUT)/obj/%.o)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(OUT)/obj/%.o: %.c | skeleton
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALLCF) $(HARDEN) -c -o $@ $<

$(OUT)/asan/%.o: %.c | skeleton
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALLCF) -O1 $(SAN) -c -o $@ $<

asan: $(OUT)/asan/nswatch
$(OUT)/asan/nswatch: $(SRCS:%.c=$(OUT)/asan/%.o)
	$(say) LINK $@
	$(Q)$(CC) $(SAN) -o $@ $^ $(LDLIBS)

# --- BPF: one object, embedded as a skeleton --------------------------------

BPFHDRS := $(wildcard bpf/*.h include/nswatch/*.h) vmlinux.h

.PHONY: skeleton
skeleton: $(OUT)/nswatch.skel.h

$(OUT)/nswatch.bpf.o: bpf/nswatch.bpf.c $(BPFHDRS)
	$(say) BPF $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -std=gnu11 -g -O2 -target bpf -mcpu=v3 $(BPFARCH) -Wall -Werror -I. -Iinclude -Ibpf \
		-idirafter $(shell $(CC) -print-sysroot)/usr/include/$(shell $(CC) -print-multiarch) -c -o $@.tmp $<
	$(Q)$(BPFTOOL) gen object $@ $@.tmp && rm -f $@.tmp

$(OUT)/nswatch.skel.h: $(OUT)/nswatch.bpf.o
	$(say) SKEL $@
	$(Q)$(BPFTOOL) gen skeleton $< name nswatch_bpf > $@

# --- tests -----------------------------------------------------------------

# A unit test is one file tests/unit/NAME_test.c with a cmocka main(); it links
# everything but main.c.
TESTBINS := $(TESTS:tests/unit/%.c=$(OUT)/unit/%)

$(OUT)/unit/%: $(OUT)/asan/tests/unit/%.o $(LIBSRCS:%.c=$(OUT)/asan/%.o)
	$(say) LINK $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SAN) -o $@ $^ $(LDLIBS) -lcmocka

check: $(TESTBINS)
	$(Q)status=0; for t in $^; do printf '%s\n' "== $$t"; $$t || status=1; done; exit $$status

# Tests that load programs into the kernel, tests/bpf/NAME_test.c: root only.
BPFTESTBINS := $(patsubst tests/bpf/%.c,$(OUT)/bpf/%,$(sort $(wildcard tests/bpf/*_test.c)))

$(OUT)/bpf/%: $(OUT)/asan/tests/bpf/%.o $(LIBSRCS:%.c=$(OUT)/asan/%.o)
	$(say) LINK $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SAN) -o $@ $^ $(LDLIBS) -lcmocka

bpf-check: $(BPFTESTBINS)
	$(Q)status=0; for t in $^; do printf '%s\n' "== $$t"; $$t || status=1; done; exit $$status

# --- fuzz ------------------------------------------------------------------

# A target is one file tests/fuzz/NAME_fuzz.c; it links everything but main.c. What it
# finds new goes to .output/fuzz/corpus-NAME, on top of the seeds in seeds-NAME; an input that
# breaks it, to .output/fuzz/NAME-*.
FUZZ_SECONDS ?= 60
FUZZNAMES := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
# Warnings are the compiler's of the other builds.
FUZZCF    := -w -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
             -fno-omit-frame-pointer

$(OUT)/fuzzobj/%.o: %.c | skeleton
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(ALLCF) $(FUZZCF) -c -o $@ $<

$(OUT)/fuzz/%: $(OUT)/fuzzobj/tests/fuzz/%_fuzz.o $(LIBSRCS:%.c=$(OUT)/fuzzobj/%.o)
	$(say) LINK $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LDLIBS)

fuzz: $(FUZZNAMES:%=$(OUT)/fuzz/%)
	$(Q)printf '%s\n' $(FUZZNAMES) | OUT=$(OUT)/fuzz FUZZ_SECONDS=$(FUZZ_SECONDS) \
		xargs -P 0 -I{} tests/fuzz/run {}

# --- bench -----------------------------------------------------------------

$(OUT)/bench/xdp.bpf.o: tests/bench/xdp.bpf.c
	$(say) BPF $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -std=gnu11 -g -O2 -target bpf -mcpu=v3 -Wall -Werror \
		-idirafter /usr/include/$(shell $(CC) -print-multiarch) -c -o $@ $<

$(OUT)/bench/xdp.skel.h: $(OUT)/bench/xdp.bpf.o
	$(say) SKEL $@
	$(Q)$(BPFTOOL) gen skeleton $< name xdp_bpf > $@

BENCHSRCS := $(filter-out %.bpf.c,$(wildcard tests/bench/*.c))

$(BENCHSRCS:%.c=$(OUT)/obj/%.o): $(OUT)/bench/xdp.skel.h

$(OUT)/bench/load: $(BENCHSRCS:%.c=$(OUT)/obj/%.o)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) -pie $(LDFLAGS) -o $@ $^ $(LDLIBS)

# ROWS=1,4 ROUNDS=5 QUICK=1 and the rest: tests/bench/README
bench: nswatch $(OUT)/bench/load
	$(Q)LOAD=$(OUT)/bench/load OUT=$(OUT)/bench /usr/bin/python3 tests/bench/bench.py

# --- lint ------------------------------------------------------------------

CSRC := $(wildcard user/*.[ch] user/*/*.[ch] include/nswatch/*.h bpf/*.[ch] tests/*/*.[ch])

# The skeleton is generated code: its header counts as one of the system. Fewer
# nodes than the default leave the analyzer a fifth of the time it takes else.
TIDYCF = -Xclang -analyzer-config -Xclang max-nodes=50000 -std=gnu11 $(DEFS) $(patsubst -I$(OUT),-isystem $(OUT),$(INCS))

lint: skeleton
	$(say) FORMAT
	$(Q)clang-format --dry-run --Werror $(CSRC)
	$(say) TIDY
	$(Q)printf '%s\n' $(SRCS) | xargs -P "$$(nproc)" -I{} \
		clang-tidy --quiet --warnings-as-errors='*' {} -- $(TIDYCF) 2>/dev/null
	$(say) CPPCHECK
	$(Q)cppcheck --quiet -j "$$(nproc)" --std=c11 --error-exitcode=1 --inline-suppr \
		--enable=warning,portability --suppress=missingIncludeSystem \
		--suppress=normalCheckLevelMaxBranches --suppress=unmatchedSuppression \
		-Iinclude -Iuser -D_GNU_SOURCE '-DLIBBPF_OPTS(t,n,...)=struct t n = { __VA_ARGS__ }' \
		'-Djson_object_foreach(o,k,v)=for (k = next(o); (v = get(o, k));)' user
	$(say) VMLINUX
	$(Q)if [ -r /sys/kernel/btf/vmlinux ] && command -v $(BPFTOOL) >/dev/null; then \
		tools/gen-vmlinux --check; \
	else echo "  vmlinux.h not checked: no BTF or no bpftool here"; fi

format:
	clang-format -i $(CSRC)

# --- install ---------------------------------------------------------------

install: nswatch
	install -D -m 755 nswatch $(DESTDIR)$(SBINDIR)/nswatch
	install -D -m 644 docs/nswatch.8 $(DESTDIR)$(MANDIR)/man8/nswatch.8
	install -D -m 644 tools/completion/nswatch.bash $(DESTDIR)$(BASHDIR)/nswatch
	install -D -m 644 tools/completion/_nswatch $(DESTDIR)$(ZSHDIR)/_nswatch
	install -D -m 644 tools/completion/nswatch.fish $(DESTDIR)$(FISHDIR)/nswatch.fish

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/nswatch $(DESTDIR)$(MANDIR)/man8/nswatch.8 \
		$(DESTDIR)$(BASHDIR)/nswatch $(DESTDIR)$(ZSHDIR)/_nswatch $(DESTDIR)$(FISHDIR)/nswatch.fish

clean:
	rm -rf $(OUT) nswatch

.PHONY: all asan check bpf-check fuzz bench lint format install uninstall clean
.SECONDARY:
-include $(shell find $(OUT) -path $(OUT)/vm -prune -o -name '*.d' -print 2>/dev/null)
