# SPDX-License-Identifier: GPL-2.0-only
# Everything a person types begins here; "make" alone says what there is.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

top := $(CURDIR)
O := $(top)/build
include scripts/paths.mk
$(call one_path,CURDIR O DESTDIR)
# the same to those that run in another directory
to := $(abspath $(DESTDIR))
KERNEL ?= stock
CACHE := $(or $(IPCX_CACHE),$(HOME)/.cache/ipcx)
BASELINE ?= selftests/baseline/libipcx.abi
version = $(shell sed -n 's/^VERSION := //p' libuser/Makefile)
# what a module is built for: KCOV=1 and GCOV=1 have it report coverage, see Kbuild
variant = $(KERNEL)$(if $(KCOV),-kcov)$(if $(GCOV),-gcov)
# where it goes: build/ipcx.ko, or build/VARIANT/ipcx.ko for another kernel than stock
kodir = $(O)$(if $(filter-out stock,$(variant)),/$(variant))
# KDIR=/lib/modules/$(uname -r)/build builds for the kernel that runs here
KDIR ?= $(shell scripts/kernel.sh $(KERNEL))/build

.PHONY: help setup build module user install uninstall modules_install install-dkms uninstall-dkms dist \
	html lint baseline check check-debug coverage demo bench bench-peers bench-figures clean

help: ## this text
	@echo 'usage: make TARGET'
	@echo
	@sed -n 's/^\([a-z_-]*\):.*## /  \1|/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'
	@echo
	@echo 'Everything is built into build/; kernels and sources are kept in $(CACHE).'
	@echo 'Options: T=NAME one test, KERNEL=NAME (scripts/kernel.sh --help), KDIR=DIR, V=1;'
	@echo 'PREFIX=/usr/local, DESTDIR= and more of scripts/install.mk.'

setup: ## install the Debian packages needed, if any is missing
	@scripts/setup.sh

build: setup ## the module, the library and the command
	@$(MAKE) module user

# kbuild writes beside its sources, so it gets a tree of links
module:
	@mkdir -p $(O)/kbuild/$(variant) $(kodir)
	@cp -rsf $(top)/Kbuild $(top)/kmod $(top)/include $(O)/kbuild/$(variant)/
	@$(MAKE) $(if $(V),,-s) -C $(KDIR) M=$(O)/kbuild/$(variant) W=1 KCFLAGS=-Werror modules
	@cmp -s $(O)/kbuild/$(variant)/ipcx.ko $(kodir)/ipcx.ko || \
		cp $(O)/kbuild/$(variant)/ipcx.ko $(kodir)/ipcx.ko

user:
	@$(MAKE) -C libuser O=$(O) all

install: ## the library, the command, pages, completions, udev rule, below PREFIX
	@$(MAKE) -C libuser O=$(O) DESTDIR=$(to) install

uninstall: ## take away what install put there
	@$(MAKE) -C libuser O=$(O) DESTDIR=$(to) uninstall

modules_install: module ## the module, to /lib/modules; give KDIR=/lib/modules/$(uname -r)/build
	@$(MAKE) $(if $(V),,-s) -C $(KDIR) M=$(O)/kbuild/$(variant) \
		$(if $(to),INSTALL_MOD_PATH=$(to)) modules_install
	@$(MAKE) -C libuser O=$(O) DESTDIR=$(to) install-load

install-dkms: ## the module's sources, to where dkms builds it for every kernel
	@$(MAKE) -C libuser O=$(O) DESTDIR=$(to) install-dkms

uninstall-dkms: ## take these away; first: dkms remove ipcx/VERSION --all
	@$(MAKE) -C libuser O=$(O) DESTDIR=$(to) uninstall-dkms

dist: ## build/ipcx-VERSION.tar.gz, of the last commit, the same whoever makes it
	@mkdir -p $(O)
	@git -c tar.umask=0022 -c core.autocrlf=false archive --prefix=ipcx-$(version)/ \
		--output=$(O)/ipcx-$(version).tar HEAD
	@gzip -9nf $(O)/ipcx-$(version).tar

html: setup ## the documentation as a site, which begins at build/html/index.html
	@scripts/html.sh

lint: setup ## the checks that run nothing: style, warnings, analysers, interfaces
	@scripts/lint.sh $(T)

baseline: user ## take the library's interface as it is now for the one to keep
	@abidw --headers-dir include --drop-private-types --exported-interfaces-only --no-show-locs \
		--no-corpus-path --no-comp-dir-path --out-file $(BASELINE) $(O)/lib/libipcx.so

check: setup ## build and run all tests, or one: make check T=queue
	@scripts/check.sh $(T)

check-debug: setup ## the tests in guests whose kernels look for bugs (builds two: 10 to 30 min)
	@scripts/check.sh --debug $(T)
	@$(if $(T),,scripts/check.sh --kcsan)

coverage: setup ## which lines of the module the tests reach
	@scripts/coverage.sh

demo: setup ## ship a directory tree through one queue and compare every file
	@$(MAKE) module user
	@scripts/demo.sh

bench: setup ## instructions per message against pipe, mq and seqpacket
	@$(MAKE) module user
	@scripts/bench.sh

bench-peers: setup ## ns per message against all that "ipcx bench" knows, ZeroMQ, nng and iceoryx too
	@scripts/setup.sh --peers
	@$(MAKE) user
	@$(MAKE) -C selftests/peers O=$(O)/peers bench

bench-figures: setup ## the same in 10 minutes, and have Documentation/figures show it
	@scripts/setup.sh --peers
	@$(MAKE) user
	@$(MAKE) -C selftests/peers O=$(O)/peers figures

clean: ## remove build/
	rm -rf "$(O)"
