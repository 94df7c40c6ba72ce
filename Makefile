# One non-recursive Makefile. `make help` lists the targets. Paths are relative throughout, so that a
# checkout may lie anywhere.
# BUILD names the directory, SANITIZE=address,undefined instruments, WERROR=1 stops at warnings.

BUILD    ?= build
PREFIX   ?= /usr/local
DESTDIR  ?=
SANITIZE ?=
WERROR   ?=
JOBS     ?= $(shell nproc 2>/dev/null || echo 2)
VERSION  := 0.1.0
ifeq ($(origin CC),default)
CC       := gcc
endif

SYSCONFDIR ?= /etc
LIBEXECDIR = $(PREFIX)/lib/sluice
UNITDIR    = $(PREFIX)/lib/systemd/system
PACKAGES   = libevent jansson libcurl openssl sqlite3

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
           -Wconversion -Wimplicit-fallthrough -Werror=format-security -Werror=return-type
HARDEN   = -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
           -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing -fPIE \
           $(if $(findstring clang,$(CC)),,-ftrivial-auto-var-init=zero)
# pkg-config is asked once a run, and not at all before the libraries are there (see "programs").
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE -g -O2 $(WARNINGS) $(HARDEN) -I. -I$(BUILD)/gen \
              -DSLUICE_VERSION='"$(VERSION)"' $(PKG_CFLAGS)
LDFLAGS_ALL := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
ifeq ($(SANITIZE),)
CFLAGS_ALL += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
else
CFLAGS_ALL += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS_ALL += -fsanitize=$(SANITIZE)
endif
LIBS = $(PKG_LIBS) -lm

ROLES    = ingest consumer retry keyring store
PROGRAMS = $(addprefix $(BUILD)/bin/,sluiced sluicectl $(addprefix sluice-,$(ROLES)))

objects  = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard $(1)))
COMMON_O = $(call objects,common/*/*.c)
WORKER_O = $(call objects,workers/*.c)
UNIT_C   = $(wildcard tests/unit/*/*.c tests/unit/*/*/*.c)
UNITS    = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_C))

FUZZERS  = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
SOURCES  = $(wildcard common/*/*.[ch] workers/*.[ch] workers/*/*.[ch] supervisor/*.[ch] \
             supervisor/*/*.[ch] $(UNIT_C) tests/fuzz/*.c tests/interop/*/*.[ch])

# What people call. The lock is around the build step only: two makes at once are safe, and a service
# that runs does not hold it.
.PHONY: all
all:
	+@mkdir -p $(BUILD) && flock $(BUILD)/.lock $(MAKE) --no-print-directory programs

.PHONY: run test check check-long system interop fault fuzz bench lint asan
run:
	@etc/setup/install-missing run
	+@$(MAKE) --no-print-directory -j$(JOBS) all
	@exec etc/samples/run-trial $(BUILD)

test check:
	@tests/tools/run-tests all
check-long:
	@TRIALS=20 tests/tools/run-tests long
system interop fault fuzz bench lint:
	@tests/tools/run-tests $@
asan:
	+@$(MAKE) --no-print-directory BUILD=build-asan SANITIZE=address,undefined all

.PHONY: programs units peer fuzzers
programs: $(PROGRAMS)
	@:
units: $(UNITS)
	@:
peer: $(BUILD)/interop/peer
	@:
fuzzers: $(FUZZERS)
	@:

# Commands are shown by their output's name; V=1 shows them whole.
V ?=
quiet = $(if $(V),,@echo '  $(1) $@' &&)

# What objects are made with: another set of flags makes all of them anew. (WERROR changes no object.)
FLAGS_TEXT := $(CC) $(CFLAGS_ALL) $(CFLAGS)
ifneq ($(strip $(FLAGS_TEXT)),$(strip $(file <$(BUILD)/flags)))
.PHONY: $(BUILD)/flags
endif
$(BUILD)/flags:
	$(shell mkdir -p $(@D))$(file >$@,$(FLAGS_TEXT))@:

# The one object that knows where the programs are installed: another PREFIX makes it anew.
ifneq ($(strip $(LIBEXECDIR)),$(strip $(file <$(BUILD)/libexecdir)))
.PHONY: $(BUILD)/libexecdir
endif
$(BUILD)/libexecdir:
	$(shell mkdir -p $(@D))$(file >$@,$(LIBEXECDIR))@:
$(BUILD)/obj/supervisor/supervisor.o: $(BUILD)/libexecdir
$(BUILD)/obj/supervisor/programs.o: CFLAGS_ALL += -DSLUICE_LIBEXECDIR='"$(LIBEXECDIR)"'

$(BUILD)/lib/libcommon.a: $(COMMON_O)
$(BUILD)/lib/libworker.a: $(WORKER_O)
$(BUILD)/lib/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(call quiet,AR) $(AR) rcs $@ $^

$(BUILD)/bin/sluiced: $(call objects,supervisor/*.c) $(BUILD)/lib/libcommon.a
$(BUILD)/bin/sluicectl: $(call objects,supervisor/ctl/*.c) $(BUILD)/lib/libcommon.a
define role_rule
$(BUILD)/bin/sluice-$(1): $(call objects,workers/$(1)/*.c) $(BUILD)/lib/libworker.a $(BUILD)/lib/libcommon.a
endef
$(foreach role,$(ROLES),$(eval $(call role_rule,$(role))))
$(PROGRAMS):
	@mkdir -p $(@D)
	$(call quiet,LD) $(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS)

# Our client as a program that the interop tests drive.
$(BUILD)/interop/peer: $(call objects,tests/interop/peer/*.c) $(BUILD)/lib/libcommon.a
	@mkdir -p $(@D)
	$(call quiet,LD) $(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS)

# The console's files as C strings: NUL behind each, usable in sizeof.
CONSOLE   = $(wildcard workers/retry/console/*)
CONSOLE_H = $(patsubst workers/retry/console/%,$(BUILD)/gen/console_%.h,$(CONSOLE))
$(BUILD)/obj/workers/retry/console.o: $(CONSOLE_H)
$(BUILD)/gen/console_%.h: workers/retry/console/%
	@mkdir -p $(@D)
	@{ echo 'static const unsigned char console_$(subst .,_,$*)[] = {'; \
	   od -An -v -tx1 $< | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'; echo '0};'; } > $@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,CC) $(CC) $(CFLAGS_ALL) $(if $(WERROR),-Werror) $(CFLAGS) -MMD -MP -c -o $@ $<

# A unit test links the whole of common, the worker skeleton and the modules of its own role.
$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/lib/libcommon.a $(BUILD)/lib/libworker.a
	@mkdir -p $(@D)
	$(call quiet,CC) $(CC) $(CFLAGS_ALL) $(if $(WERROR),-Werror) $(CFLAGS) -Wno-missing-prototypes -MMD -MP \
	    -MF $@.d $(LDFLAGS_ALL) -o $@ $< $(UNIT_MODULES) $(BUILD)/lib/libworker.a $(BUILD)/lib/libcommon.a $(LIBS) -lcmocka

# The modules of a program that its unit tests link: all of its objects but main's.
main_of = $(BUILD)/obj/$(1)/$(notdir $(1)).o
define unit_modules_rule
$(BUILD)/unit/$(1)/%: UNIT_MODULES = $(filter-out $(2),$(call objects,$(1)/*.c))
$(filter $(BUILD)/unit/$(1)/%,$(UNITS)): $(filter-out $(2),$(call objects,$(1)/*.c))
endef
$(foreach role,$(ROLES),$(eval $(call unit_modules_rule,workers/$(role),$(call main_of,workers/$(role)))))
$(eval $(call unit_modules_rule,supervisor,$(BUILD)/obj/supervisor/main.o))

# libFuzzer's own main comes with the driver; the code under test is instrumented by
# BUILD=build-fuzz CC=clang SANITIZE=address,undefined,fuzzer-no-link.
# A target called store_... or keyring_... links that role's modules too.
define fuzz_modules_rule
$(BUILD)/fuzz/$(1)_%: FUZZ_MODULES = $(filter-out $(2),$(call objects,workers/$(1)/*.c))
$(filter $(BUILD)/fuzz/$(1)_%,$(FUZZERS)): $(filter-out $(2),$(call objects,workers/$(1)/*.c))
endef
$(foreach role,store keyring,$(eval $(call fuzz_modules_rule,$(role),$(call main_of,workers/$(role)))))
$(BUILD)/fuzz/%: tests/fuzz/%.c $(BUILD)/lib/libcommon.a $(BUILD)/lib/libworker.a
	@mkdir -p $(@D)
	$(call quiet,CC) $(CC) $(CFLAGS_ALL) $(CFLAGS) -Wno-missing-prototypes -MMD -MP -MF $@.d $(LDFLAGS_ALL) \
	    -fsanitize=fuzzer -o $@ $< $(FUZZ_MODULES) $(BUILD)/lib/libworker.a $(BUILD)/lib/libcommon.a $(LIBS)

.PHONY: unit tidy format install install-files uninstall clean help
unit: $(UNITS)
	@for t in $(UNITS); do echo "== $$t"; $$t || exit 1; done

tidy:
	@etc/setup/install-missing debug
	clang-tidy --quiet $(filter %.c,$(SOURCES)) -- $(CFLAGS_ALL)

format:
	@etc/setup/install-missing debug
	clang-format -i $(SOURCES)

# What a file of etc/ says of places, as they are on the machine that it is installed on. A
# configuration and /etc/default belong to the administrator: they are never overwritten.
configured = sed -e 's|@SBINDIR@|$(PREFIX)/sbin|g' -e 's|@BINDIR@|$(PREFIX)/bin|g' \
                 -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g' -e 's|"samples/|"$(PREFIX)/share/sluice/|g'
put = $(configured) $(2) >$(BUILD)/gen/installing && install -m $(1) $(BUILD)/gen/installing "$(DESTDIR)$(3)" && \
      rm -f $(BUILD)/gen/installing
MANUALS = $(notdir $(wildcard etc/man/*.8))

install: all
	+@$(MAKE) --no-print-directory install-files
install-files:
	@mkdir -p $(BUILD)/gen
	install -d "$(DESTDIR)$(PREFIX)/sbin" "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(LIBEXECDIR)" \
	    "$(DESTDIR)$(PREFIX)/share/man/man8" "$(DESTDIR)$(PREFIX)/share/sluice/iam" "$(DESTDIR)$(UNITDIR)" \
	    "$(DESTDIR)$(SYSCONFDIR)/sluice" "$(DESTDIR)$(SYSCONFDIR)/init.d" \
	    "$(DESTDIR)$(SYSCONFDIR)/default" "$(DESTDIR)$(SYSCONFDIR)/logrotate.d"
	install -m 755 $(BUILD)/bin/sluiced "$(DESTDIR)$(PREFIX)/sbin/"
	install -m 755 $(BUILD)/bin/sluicectl "$(DESTDIR)$(PREFIX)/bin/"
	install -m 755 $(addprefix $(BUILD)/bin/sluice-,$(ROLES)) "$(DESTDIR)$(LIBEXECDIR)/"
	install -m 644 $(addprefix etc/man/,$(MANUALS)) "$(DESTDIR)$(PREFIX)/share/man/man8/"
	install -m 755 etc/samples/destination.sh "$(DESTDIR)$(PREFIX)/share/sluice/"
	install -m 644 $(wildcard etc/iam/*.json) "$(DESTDIR)$(PREFIX)/share/sluice/iam/"
	install -m 644 $(wildcard etc/sluice-*-aws.json) etc/s3-lifecycle.json "$(DESTDIR)$(PREFIX)/share/sluice/"
	$(call put,755,etc/sluice.init,$(SYSCONFDIR)/init.d/sluice)
	$(call put,644,etc/sluice.service,$(UNITDIR)/sluice.service)
	$(call put,644,etc/logrotate,$(SYSCONFDIR)/logrotate.d/sluice)
	$(call put,644,etc/sluice.json,$(SYSCONFDIR)/sluice/sluice.json.example)
	@test -e "$(DESTDIR)$(SYSCONFDIR)/sluice/sluice.json" || { set -x; \
	    $(call put,640,etc/sluice.json,$(SYSCONFDIR)/sluice/sluice.json); }
	@test -e "$(DESTDIR)$(SYSCONFDIR)/default/sluice" || { set -x; \
	    $(call put,644,etc/sluice.default,$(SYSCONFDIR)/default/sluice); }

# The configuration, /etc/default/sluice and the state stay.
uninstall:
	rm -f "$(DESTDIR)$(PREFIX)/sbin/sluiced" "$(DESTDIR)$(PREFIX)/bin/sluicectl" \
	    $(foreach manual,$(MANUALS),"$(DESTDIR)$(PREFIX)/share/man/man8/$(manual)") \
	    "$(DESTDIR)$(SYSCONFDIR)/init.d/sluice" "$(DESTDIR)$(UNITDIR)/sluice.service" \
	    "$(DESTDIR)$(SYSCONFDIR)/logrotate.d/sluice" "$(DESTDIR)$(SYSCONFDIR)/sluice/sluice.json.example"
	rm -rf "$(DESTDIR)$(LIBEXECDIR)" "$(DESTDIR)$(PREFIX)/share/sluice"

clean:
	rm -rf build build-*

help:
	@echo 'make run         install what is missing, build, start the service on its own store, send samples'
	@echo 'make test        install what is missing, build twice, run every tier of tests (also: check)'
	@echo 'make check-long  the same tests with many more trials'
	@echo 'make all         build the programs into $(BUILD)/bin'
	@echo 'make asan        build them with sanitizers into build-asan/bin'
	@echo 'make unit        build and run the unit tests of $(BUILD)'
	@echo 'make system | interop | fault | fuzz | bench | lint    one tier of the tests'
	@echo 'make tidy | format    clang-tidy, clang-format'
	@echo 'make install | uninstall [PREFIX=] [DESTDIR=]    make clean'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
