# SPDX-License-Identifier: GPL-2.0
# One Makefile, everything it makes is in $(BUILD). `make help` lists the targets.
# It reaches the network only through scripts/install-deps.sh, and only where a package is missing.

BUILD ?= build
PREFIX ?= /usr
DESTDIR ?=
VERSION := 0.1.0
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /sbin/bpftool) bpftool)
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
SAY = $(if $(filter 1,$(V)),,@echo "  $(1)" $(patsubst $(BUILD)/%,%,$@))

CFLAGS ?= -O2 -g
LDFLAGS ?=
EXTRA ?=
WARN := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wno-unused-parameter $(if $(CI),-Werror)
# What the code needs whatever CFLAGS says.
NEED := -std=gnu11 -D_GNU_SOURCE -DSEKISHO_VERSION='"$(VERSION)"' -Iinclude -iquote user -I$(BUILD)/bpf -MMD -MP -fno-common $(EXTRA)
# All symbols are found at the start: found at the first call, glibc's resolver saves the vector registers on the stack, and a key in them.
NEED_LD := -Wl,-z,relro,-z,now
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -Wall -Wno-unused-function -Iinclude -I/usr/include/$(MULTIARCH) -MMD -MP $(EXTRA)

.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

# Sources by folder: a new file needs no line here.
lib_src := $(wildcard user/lib/*.c)
sys_src := $(wildcard user/sys/*.c)
unit_src := $(wildcard tests/unit/test_*.c)
prog_src := $(filter-out %.bpf.c,$(wildcard tests/prog/test_*.c))
prog_help_src := $(filter-out %.bpf.c $(prog_src),$(wildcard tests/prog/*.c))
e2e_src := $(wildcard tests/e2e/*.c)
fuzz_src := $(wildcard tests/fuzz/fuzz_*.c)
fuzz_help_src := $(filter-out $(fuzz_src),$(wildcard tests/fuzz/*.c))
bench_src := $(filter-out %.bpf.c,$(wildcard tests/bench/*.c))
obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
fuzzobj = $(patsubst %.c,$(BUILD)/fuzzobj/%.o,$(1))
san = $(patsubst %.c,$(BUILD)/san/%.o,$(1))

# Who links what: the link line is the boundary between the processes.
keeper_src := $(wildcard user/keeper/*.c) $(wildcard $(patsubst %,user/sys/%.c,log channel bpf_load bpf_table bpf_attach* bpf_entries bpf_ban_map bpf_limiter bpf_pin bpf_lens bpf_slots bpf_rails ssh_source netlink sandbox_caps spawn file file_put secret notify))
engine_src := $(wildcard user/engine/*.c) $(wildcard $(patsubst %,user/sys/%.c,log channel store store_entries store_refs store_feeds store_disk store_audit store_bans store_verdicts store_limits store_quality metrics_http bpf_read bpf_bans_read bpf_events sandbox_engine sandbox_parts file))
fetch_src := $(wildcard user/fetch/*.c) $(wildcard $(patsubst %,user/sys/%.c,channel http dial sandbox_fetch sandbox_parts secret))
cli_src := $(wildcard user/cli/*.c) $(wildcard $(patsubst %,user/sys/%.c,client file ssh_source))
LIB_LIBS := -lyaml -ljansson -lm
keeper_libs := -lxdp -lbpf -lelf -lz -lcap -lmnl -luv $(LIB_LIBS)
engine_libs := -lbpf -lsqlite3 -lmicrohttpd -luv -lseccomp -lcap $(LIB_LIBS)
fetch_libs := -lcurl -lz -llzma -lzstd -lseccomp -lcap $(LIB_LIBS)
cli_libs := -lsmartcols $(LIB_LIBS)

programs := $(BUILD)/sekishod $(BUILD)/sekisho-engine $(BUILD)/sekisho-fetch $(BUILD)/sekisho
unit_bins := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(unit_src))
prog_bins := $(patsubst tests/prog/%.c,$(BUILD)/prog/%,$(prog_src))
e2e_bins := $(patsubst tests/e2e/%.c,$(BUILD)/e2e/%,$(e2e_src))
fuzz_bins := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(fuzz_src))
bpf_objs := $(patsubst bpf/%.bpf.c,$(BUILD)/bpf/%.bpf.o,$(wildcard bpf/*.bpf.c)) $(patsubst tests/prog/%.bpf.c,$(BUILD)/bpf/%.bpf.o,$(wildcard tests/prog/*.bpf.c)) $(patsubst tests/bench/%.bpf.c,$(BUILD)/bpf/%.bpf.o,$(wildcard tests/bench/*.bpf.c))
other_layout := $(if $(findstring SEK_LAYOUT,$(EXTRA)),,$(BUILD)/layout99/sekishod)
bench_bins := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(bench_src))
skeletons := $(patsubst %.bpf.o,%.skel.h,$(bpf_objs))

all: $(programs) ## build the programs

$(BUILD)/obj/%.o: %.c | $(skeletons)
	@mkdir -p $(@D)
	$(call SAY,CC)
	$(Q)$(CC) $(CFLAGS) $(NEED) $(WARN) -c -o $@ $<

$(BUILD)/san/%.o: %.c | $(skeletons)
	@mkdir -p $(@D)
	$(call SAY,CC-SAN)
	$(Q)$(CC) -O1 -g $(SAN) $(NEED) $(WARN) -c -o $@ $<

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call SAY,BPF)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<
$(BUILD)/bpf/%.bpf.o: tests/prog/%.bpf.c
	@mkdir -p $(@D)
	$(call SAY,BPF)
	$(Q)$(CLANG) $(BPF_CFLAGS) -Ibpf -c -o $@ $<
$(BUILD)/bpf/%.bpf.o: tests/bench/%.bpf.c
	@mkdir -p $(@D)
	$(call SAY,BPF)
	$(Q)$(CLANG) $(BPF_CFLAGS) -Ibpf -c -o $@ $<
$(BUILD)/bpf/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(call SAY,SKEL)
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst -,_,$*)_bpf > $@

$(BUILD)/libsekisho.a: $(call obj,$(lib_src))
	$(call SAY,AR)
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/libsekisho-san.a: $(call san,$(lib_src))
	$(call SAY,AR)
	$(Q)rm -f $@ && ar rcs $@ $^

define program
$(BUILD)/$(1): $$(call obj,$(2)) $(BUILD)/libsekisho.a
	$$(call SAY,LINK)
	$$(Q)$$(CC) $$(CFLAGS) $$(NEED_LD) $$(LDFLAGS) -o $$@ $$^ $(3)
endef
$(eval $(call program,sekishod,$(keeper_src),$(keeper_libs)))
$(eval $(call program,sekisho-engine,$(engine_src),$(engine_libs)))
$(eval $(call program,sekisho-fetch,$(fetch_src),$(fetch_libs)))
$(eval $(call program,sekisho,$(cli_src),$(cli_libs)))

# A unit test may name the sys files it needs in a line `/* link: sys/FILE.c -lLIB ... */`.
link_words = $(shell sed -n 's,^/\* link: \(.*\) \*/$$,\1,p' $(1))
link_sys = $(patsubst %,user/%,$(filter sys/%.c engine/%.c keeper/%.c cli/%.c fetch/%.c,$(call link_words,$(1))))
link_libs = $(filter -l%,$(call link_words,$(1)))
.SECONDEXPANSION:
$(BUILD)/unit/%: $(BUILD)/san/tests/unit/%.o $$(call san,$$(call link_sys,tests/unit/$$*.c)) $(BUILD)/libsekisho-san.a
	@mkdir -p $(@D)
	$(call SAY,LINK)
	$(Q)$(CC) $(SAN) -o $@ $^ -lcmocka $(call link_libs,tests/unit/$*.c) $(LIB_LIBS)
$(BUILD)/libprog.a: $(call obj,$(prog_help_src) $(patsubst %,user/sys/%.c,bpf_table bpf_limiter bpf_pin))
	$(call SAY,AR)
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/prog/%: $(BUILD)/obj/tests/prog/%.o $$(call obj,$$(call link_sys,tests/prog/$$*.c)) $(BUILD)/libprog.a $(BUILD)/libsekisho.a
	@mkdir -p $(@D)
	$(call SAY,LINK)
	$(Q)$(CC) -o $@ $^ -lcmocka -lbpf $(call link_libs,tests/prog/$*.c) $(LIB_LIBS)
$(BUILD)/e2e/%: $(BUILD)/obj/tests/e2e/%.o $$(call obj,$$(call link_sys,tests/e2e/$$*.c)) $(BUILD)/libsekisho.a
	@mkdir -p $(@D)
	$(call SAY,LINK)
	$(Q)$(CC) -o $@ $^ -lbpf $(LIB_LIBS)
$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(call obj,$(patsubst %,user/sys/%.c,bpf_table bpf_limiter bpf_pin)) $(BUILD)/libsekisho.a
	@mkdir -p $(@D)
	$(call SAY,LINK)
	$(Q)$(CC) -o $@ $^ -lbpf $(LIB_LIBS)
$(BUILD)/fuzzobj/%.o: %.c | $(skeletons)
	@mkdir -p $(@D)
	$(call SAY,CC-FUZZ)
	$(Q)$(CLANG) -O2 -g -fsanitize=fuzzer-no-link,address,undefined -fsanitize-coverage-ignorelist=tests/fuzz/no_coverage.txt -fno-sanitize-recover=all $(NEED) -c -o $@ $<
$(BUILD)/libsekisho-fuzz.a: $(call fuzzobj,$(lib_src) $(fuzz_help_src))
	$(call SAY,AR)
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/fuzz/%: $(BUILD)/fuzzobj/tests/fuzz/%.o $$(call fuzzobj,$$(call link_sys,tests/fuzz/$$*.c)) $(BUILD)/libsekisho-fuzz.a
	@mkdir -p $(@D)
	$(call SAY,LINK)
	$(Q)$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $^ $(call link_libs,tests/fuzz/$*.c) $(LIB_LIBS)

.PHONY: all test test-unit fuzz bench bench-quick bench-limits bench-waits lint vmtest run demo install deps clean help

deps: ## install what building and testing need
	$(Q)scripts/install-deps.sh test

test: ## install what is missing, build, run every test (root)
	$(Q)scripts/install-deps.sh bench
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all $(BUILD)/.tests
	$(Q)scripts/run-tests.sh $(BUILD) e2e prog unit fuzz

$(BUILD)/.tests: $(unit_bins) $(prog_bins) $(fuzz_bins) $(e2e_bins) $(bench_bins) $(other_layout)
	$(Q)touch $@

# An agent whose maps have another layout, for the test of upgrades: the keeper alone knows its number.
$(other_layout): $(BUILD)/sekishod $(BUILD)/sekisho-engine $(BUILD)/sekisho-fetch
	$(Q)$(MAKE) --no-print-directory BUILD=$(@D) EXTRA=-DSEK_LAYOUT=99 $@
	$(Q)ln -sf ../sekisho-engine ../sekisho-fetch $(@D)/

test-unit: $(unit_bins) ## unit tests under ASan and UBSan, no root
	$(Q)scripts/run-tests.sh $(BUILD) unit

fuzz: $(fuzz_bins) ## FUZZ_RUNS (1000000) executions of every fuzz target, or of FUZZ_TARGETS; parsers beside a slow reference
	$(Q)FUZZ_RUNS=$${FUZZ_RUNS:-1000000} scripts/run-tests.sh $(BUILD) fuzz

bench: ## cost per packet, load time, latency and memory beside a trie, nftables and ipset; SIZES of lists (root, long)
	$(Q)scripts/install-deps.sh bench
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all $(bench_bins)
	$(Q)scripts/bench.sh $(BUILD) $(BENCH_ARGS) $(or $(SIZES),1000 100000 1000000 10000000)

bench-limits: ## the part of it that limits are: cost beside an LRU hash and nftables, and a flood of spoofed sources (root)
	$(Q)scripts/install-deps.sh bench
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all $(bench_bins)
	$(Q)scripts/bench.sh $(BUILD) limits $(BENCH_ARGS)

bench-waits: ## how long control requests wait while a million entries and 100,000 bans are imported, listed and flushed (root)
	$(Q)scripts/install-deps.sh bench
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all $(bench_bins)
	$(Q)scripts/bench.sh $(BUILD) waits $(BENCH_ARGS)

bench-quick: ## bench for 1000000 entries only, without the longest rows (root)
	$(Q)$(MAKE) --no-print-directory bench SIZES=1000000 BENCH_ARGS='--quick --rounds 3'

run: ## protect IFACE in the foreground (root); CONFIG=FILE, default: scripts/sekisho.yaml
	$(Q)scripts/install-deps.sh build
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all
	$(Q)scripts/create-users.sh
	@echo "  ask it from another shell: sudo $(BUILD)/sekisho status; Ctrl-C ends it"
	$(Q)exec $(BUILD)/sekishod --detach-on-exit -c $(or $(CONFIG),scripts/sekisho.yaml) $(if $(IFACE),-i $(IFACE))

demo: ## a lab in network namespaces that shows everything and cleans up (root)
	$(Q)scripts/install-deps.sh demo
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all
	$(Q)scripts/create-users.sh
	$(Q)exec scripts/demo.sh $(BUILD)

install: all ## install under DESTDIR with PREFIX (/usr); a config that is there stays
	install -D -m 0755 $(BUILD)/sekishod $(DESTDIR)$(PREFIX)/sbin/sekishod
	install -D -m 0755 $(BUILD)/sekisho $(DESTDIR)$(PREFIX)/bin/sekisho
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/libexec/sekisho $(BUILD)/sekisho-engine $(BUILD)/sekisho-fetch
	install -D -m 0644 scripts/sekishod.service $(DESTDIR)$(PREFIX)/lib/systemd/system/sekishod.service
	sed -i 's,^ExecStart=/usr/,ExecStart=$(PREFIX)/,' $(DESTDIR)$(PREFIX)/lib/systemd/system/sekishod.service
	install -D -m 0644 scripts/sekisho.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/sekisho.conf
	install -D -m 0644 user/man/sekishod.8 $(DESTDIR)$(PREFIX)/share/man/man8/sekishod.8
	install -D -m 0644 user/man/sekisho.1 $(DESTDIR)$(PREFIX)/share/man/man1/sekisho.1
	install -D -m 0644 user/man/sekisho.yaml.5 $(DESTDIR)$(PREFIX)/share/man/man5/sekisho.yaml.5
	install -D -m 0644 scripts/sekisho.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sekisho
	install -D -m 0644 scripts/fail2ban-sekisho.py $(DESTDIR)/etc/fail2ban/action.d/sekisho.py
	install -D -m 0644 README.md $(DESTDIR)$(PREFIX)/share/doc/sekisho/README.md
	install -D -m 0644 scripts/sekisho.yaml $(DESTDIR)$(PREFIX)/share/doc/sekisho/sekisho.yaml
	install -d -m 0755 $(DESTDIR)/etc/sekisho $(DESTDIR)/etc/sekisho/feeds.d
	test -e $(DESTDIR)/etc/sekisho/sekisho.yaml || install -m 0640 scripts/sekisho.yaml $(DESTDIR)/etc/sekisho/sekisho.yaml
	$(if $(DESTDIR),,scripts/create-users.sh)

lint: ## headers compile alone, include rules, library boundaries, sizes of functions and files, scripts parse
	$(Q)for script in scripts/*.sh .ci/run; do bash -n $$script || exit 1; done
	$(Q)scripts/check-includes.sh $(BUILD)
	$(Q)scripts/check-limits.py

vmtest: $(programs) $(prog_bins) ## the program and real agents, alone and beside xdp-filter, on Debian's 6.1 and 6.12 in virtual machines (root, 8 to 12 minutes each)
	$(Q)scripts/install-deps.sh vm
	$(Q)scripts/vmtest-all.sh $(BUILD) $(or $(KERNELS),6.1 6.12)

clean: ## remove what was built
	$(Q)rm -rf $(BUILD)

help: ## this text
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | sort | expand -t 16

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
