# One non-recursive Makefile. `make help` lists the targets.
# BUILD names the directory, SANITIZE=address,undefined instruments, WERROR=1 stops at warnings.

BUILD    ?= build
CC       ?= gcc
PREFIX   ?= /usr/local
SANITIZE ?=
WERROR   ?=
VERSION  := 0.1.0

LIBEXECDIR = $(PREFIX)/lib/sluice
PACKAGES   = libevent jansson libcurl openssl sqlite3

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
           -Wconversion -Wimplicit-fallthrough -Werror=format-security -Werror=return-type
HARDEN   = -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
           -ftrivial-auto-var-init=zero -fno-delete-null-pointer-checks -fno-strict-overflow \
           -fno-strict-aliasing -fPIE
CFLAGS_ALL = -std=c11 -D_GNU_SOURCE -g -O2 $(WARNINGS) $(HARDEN) -I. -I$(BUILD)/gen \
             -DSLUICE_VERSION='"$(VERSION)"' -DSLUICE_LIBEXECDIR='"$(LIBEXECDIR)"' \
             $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null) $(if $(WERROR),-Werror)
LDFLAGS_ALL = -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
ifeq ($(SANITIZE),)
CFLAGS_ALL += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
else
CFLAGS_ALL += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS_ALL += -fsanitize=$(SANITIZE)
endif
LIBS = $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lm

ROLES    = ingest consumer retry keyring store
PROGRAMS = $(addprefix $(BUILD)/bin/,sluiced sluicectl $(addprefix sluice-,$(ROLES)))

objects  = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard $(1)))
COMMON_O = $(call objects,common/*/*.c)
WORKER_O = $(call objects,workers/*.c)
UNIT_C   = $(wildcard tests/unit/*/*.c tests/unit/*/*/*.c)
UNITS    = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_C))

.PHONY: all
all: $(PROGRAMS)

$(BUILD)/lib/libcommon.a: $(COMMON_O)
$(BUILD)/lib/libworker.a: $(WORKER_O)
$(BUILD)/lib/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/bin/sluiced: $(call objects,supervisor/*.c) $(BUILD)/lib/libcommon.a
$(BUILD)/bin/sluicectl: $(call objects,supervisor/ctl/*.c) $(BUILD)/lib/libcommon.a
define role_rule
$(BUILD)/bin/sluice-$(1): $(call objects,workers/$(1)/*.c) $(BUILD)/lib/libworker.a $(BUILD)/lib/libcommon.a
endef
$(foreach role,$(ROLES),$(eval $(call role_rule,$(role))))
$(PROGRAMS):
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(CFLAGS) -MMD -MP -c -o $@ $<

# A unit test links the whole of common, the worker skeleton and the modules of its own role.
$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/lib/libcommon.a $(BUILD)/lib/libworker.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(CFLAGS) -Wno-missing-prototypes -MMD -MP -MF $@.d $(LDFLAGS_ALL) -o $@ $< $(UNIT_MODULES) \
	    $(BUILD)/lib/libworker.a $(BUILD)/lib/libcommon.a $(LIBS) -lcmocka

# The modules of a program that its unit tests link: all of its objects but main's.
main_of = $(BUILD)/obj/$(1)/$(notdir $(1)).o
define unit_modules_rule
$(BUILD)/unit/$(1)/%: UNIT_MODULES = $(filter-out $(2),$(call objects,$(1)/*.c))
$(filter $(BUILD)/unit/$(1)/%,$(UNITS)): $(filter-out $(2),$(call objects,$(1)/*.c))
endef
$(foreach role,$(ROLES),$(eval $(call unit_modules_rule,workers/$(role),$(call main_of,workers/$(role)))))
$(eval $(call unit_modules_rule,supervisor,$(BUILD)/obj/supervisor/main.o))

.PHONY: unit clean help
unit: $(UNITS)
	@for t in $(UNITS); do echo "== $$t"; $$t || exit 1; done

clean:
	rm -rf build build-*

help:
	@echo 'targets: all unit clean'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
