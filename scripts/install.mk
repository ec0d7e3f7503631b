# SPDX-License-Identifier: GPL-2.0-only
#
# install, uninstall, install-dkms, uninstall-dkms, install-load, for libuser/Makefile. A word of a
# list is MODE:SOURCE:TARGET; what installs and what removes go through the same lists.
#
#   DESTDIR     comes before every path, for packages
#   PREFIX      /usr/local; below it BINDIR, LIBDIR, INCLUDEDIR, DATADIR, MANDIR, DOCDIR
#   ZSHDIR      completions of zsh
#   PYTHONDIR   the package of Python
#   UNITDIR     units of systemd
#   UDEVDIR     rules of udev; SYSUSERSDIR, MODULESDIR: groups and modules to load at boot
#   DKMSDIR     the module's sources, where dkms looks for them

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
DOCDIR ?= $(DATADIR)/doc/ipcx
ZSHDIR ?= $(DATADIR)/zsh/site-functions
PYTHONDIR ?= $(PREFIX)/lib/python3/dist-packages
UDEVDIR ?= $(PREFIX)/lib/udev/rules.d
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
MODULESDIR ?= $(PREFIX)/lib/modules-load.d
DKMSDIR ?= /usr/src/ipcx-$(VERSION)
$(call one_path,DESTDIR PREFIX BINDIR LIBDIR INCLUDEDIR DATADIR MANDIR DOCDIR ZSHDIR PYTHONDIR UDEVDIR UNITDIR SYSUSERSDIR \
	MODULESDIR DKMSDIR)

doc := $(TOP)/Documentation
completion := $(TOP)/scripts/completion
# files MODE,SOURCES,DIRECTORY: each under its own name
files = $(foreach f,$2,$1:$f:$3/$(notdir $f))

installed := \
	$(call files,755,$(O)/bin/ipcx $(O)/bin/ipcx-bridge $(O)/bin/ipcx-bench,$(BINDIR)) \
	644:$(O)/lib/$(SONAME):$(LIBDIR)/libipcx.so.$(VERSION) \
	link:libipcx.so.$(VERSION):$(LIBDIR)/$(SONAME) \
	link:$(SONAME):$(LIBDIR)/libipcx.so \
	$(call files,644,$(O)/lib/libipcx.a,$(LIBDIR)) \
	$(call files,644,$(O)/lib/libipcx-mq.so,$(LIBDIR)/ipcx) \
	fill:$(TOP)/libuser/libipcx.pc.in:$(LIBDIR)/pkgconfig/libipcx.pc \
	$(foreach f,ipcx-config.cmake ipcx-config-version.cmake, \
		fill:$(TOP)/libuser/$f.in:$(LIBDIR)/cmake/ipcx/$f) \
	$(call files,644,$(wildcard $(TOP)/include/*.h $(TOP)/include/*.hpp),$(INCLUDEDIR)) \
	$(call files,644,$(wildcard $(TOP)/include/uapi/linux/*.h),$(INCLUDEDIR)/linux) \
	$(call files,644,$(wildcard $(TOP)/libuser/python/ipcx/*.*),$(PYTHONDIR)/ipcx) \
	$(foreach n,1 3 4 5 7,$(call files,644,$(wildcard $(doc)/man/*.$n),$(MANDIR)/man$n)) \
	644:$(completion)/ipcx.bash:$(DATADIR)/bash-completion/completions/ipcx \
	$(call files,644,$(completion)/_ipcx,$(ZSHDIR)) \
	$(call files,644,$(completion)/ipcx.fish,$(DATADIR)/fish/vendor_completions.d) \
	$(call files,755,$(wildcard $(TOP)/scripts/trace/*.bt),$(DATADIR)/ipcx/trace) \
	$(call files,644,$(TOP)/README.md $(wildcard $(doc)/*.rst),$(DOCDIR)) \
	$(call files,644,$(wildcard $(doc)/examples/*.*),$(DOCDIR)/examples) \
	$(call files,644,$(TOP)/scripts/install/60-ipcx.rules,$(UDEVDIR)) \
	fill:$(TOP)/scripts/install/ipcx-bridge.service:$(UNITDIR)/ipcx-bridge.service \
	644:$(TOP)/scripts/install/sysusers.conf:$(SYSUSERSDIR)/ipcx.conf
# comes with the module, or each boot fails to load it
load := 644:$(TOP)/scripts/install/modules.conf:$(MODULESDIR)/ipcx.conf
# directories that are ipcx's alone, the innermost first
installed_dirs := $(LIBDIR)/cmake/ipcx $(LIBDIR)/ipcx $(PYTHONDIR)/ipcx $(DATADIR)/ipcx/trace $(DATADIR)/ipcx $(DOCDIR)/examples $(DOCDIR)

sources := $(patsubst $(TOP)/%,%,$(wildcard $(addprefix $(TOP)/,Kbuild dkms.conf \
	kmod/*.[ch] include/uapi/linux/*.h)))
dkms := $(foreach f,$(sources),644:$(TOP)/$f:$(DKMSDIR)/$f)
dkms_dirs := $(addprefix $(DKMSDIR)/,kmod include/uapi/linux include/uapi include) $(DKMSDIR)

# what is made for where it goes
fill = sed -e 's\#@PREFIX@\#$(PREFIX)\#' -e 's\#@BINDIR@\#$(BINDIR)\#' -e 's\#@LIBDIR@\#$(LIBDIR)\#' -e 's\#@INCLUDEDIR@\#$(INCLUDEDIR)\#' \
	-e 's\#@VERSION@\#$(VERSION)\#' -e 's\#@SONAME@\#$(SONAME)\#' \
	-e "s\#@TO_INCLUDEDIR@\#$$(realpath -m -s --relative-to="$(LIBDIR)" "$(INCLUDEDIR)")\#"

# a page that is a link to another stays one
put = set -e; umask 022; for f in $1; do \
	mode=$${f%%:*}; to="$(DESTDIR)$${f\#\#*:}"; from=$${f\#*:}; from=$${from%:*}; \
	$(INSTALL) -d "$${to%/*}"; \
	if [ "$$mode" = link ]; then ln -sfn "$$from" "$$to"; \
	elif [ "$$mode" = fill ]; then rm -f "$$to"; $(fill) "$$from" >"$$to"; \
	elif [ -L "$$from" ]; then cp -Pf "$$from" "$$to"; \
	else $(INSTALL) -m "$$mode" "$$from" "$$to"; fi; done
take_away = set -e; for f in $1; do rm -f "$(DESTDIR)$${f\#\#*:}"; done; \
	for d in $2; do rmdir "$(DESTDIR)$$d" 2>/dev/null || :; done

.PHONY: install uninstall install-dkms uninstall-dkms install-load

install: all
	$(Q)$(call put,$(installed))

uninstall:
	$(Q)rm -rf "$(DESTDIR)$(PYTHONDIR)/ipcx/__pycache__"
	$(Q)$(call take_away,$(installed) $(load),$(installed_dirs))

install-dkms:
	$(Q)$(call put,$(dkms) $(load))

# dkms looks there for how it is taken away
uninstall-dkms:
	$(Q)if [ -e "$(DESTDIR)/var/lib/dkms/ipcx/$(VERSION)" ]; then \
		echo "dkms has the module still; first: dkms remove ipcx/$(VERSION) --all" >&2; exit 1; fi
	$(Q)$(call take_away,$(dkms) $(load),$(dkms_dirs))

install-load:
	$(Q)$(call put,$(load))
