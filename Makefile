# SPDX-License-Identifier: GPL-2.0-only
# Everything a person types begins here; "make" alone says what there is.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

top := $(CURDIR)
O := $(top)/build
KERNEL ?= stock
CACHE := $(or $(IPCX_CACHE),$(HOME)/.cache/ipcx)
# where the module goes: build/ipcx.ko, or build/NAME/ipcx.ko for another kernel
kodir = $(O)$(if $(filter-out stock,$(KERNEL)),/$(KERNEL))
# KDIR=/lib/modules/$(uname -r)/build builds for the kernel that runs here
KDIR ?= $(shell scripts/kernel.sh $(KERNEL))/build

.PHONY: help setup build module user check check-debug demo bench clean

help: ## this text
	@echo 'usage: make TARGET'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## /  \1|/p' Makefile | awk -F'|' '{ printf "%-12s %s\n", $$1, $$2 }'
	@echo
	@echo 'Everything is built into build/; kernels and sources are kept in $(CACHE).'
	@echo 'Options: T=NAME one test, KERNEL=NAME (scripts/kernel.sh --help), KDIR=DIR, V=1.'

setup: ## install the Debian packages needed, if any is missing
	@scripts/setup.sh

build: setup ## the module, the library and the command
	@$(MAKE) module user

# kbuild writes beside its sources, so it gets a tree of links
module:
	@mkdir -p $(O)/kbuild/$(KERNEL) $(kodir)
	@cp -rsf $(top)/Kbuild $(top)/kmod $(top)/include $(O)/kbuild/$(KERNEL)/
	@$(MAKE) $(if $(V),,-s) -C $(KDIR) M=$(O)/kbuild/$(KERNEL) W=1 KCFLAGS=-Werror modules
	@cmp -s $(O)/kbuild/$(KERNEL)/ipcx.ko $(kodir)/ipcx.ko || \
		cp $(O)/kbuild/$(KERNEL)/ipcx.ko $(kodir)/ipcx.ko

user:
	@$(MAKE) -C libuser O=$(O) all

check: setup ## build and run all tests, or one: make check T=queue
	@scripts/check.sh $(T)

check-debug: setup ## the tests in a guest whose kernel looks for bugs (builds it: 5 to 20 min)
	@scripts/check.sh --debug $(T)

demo: setup ## ship a directory tree through one queue and compare every file
	@$(MAKE) module user
	@scripts/demo.sh

bench: setup ## instructions per message against pipe, mq and seqpacket
	@$(MAKE) module user
	@scripts/bench.sh

clean: ## remove build/
	rm -rf $(O)
