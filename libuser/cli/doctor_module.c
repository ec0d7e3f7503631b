// SPDX-License-Identifier: GPL-2.0-only
/*
 * doctor: where a module that is not loaded could come from, and so what to type.
 */
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

#define DKMS "/usr/src/ipcx-" /* where the package and "make install-dkms" put the sources */
#define PACKAGE "/usr/share/doc/ipcx-tools" /* there if the package has put this here */

bool module_is_installed(const char *release)
{
	char path[256], line[4096];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, "/ipcx.ko");
	if (f)
		fclose(f);
	return found;
}

bool module_of_dkms(char version[64])
{
	glob_t found;
	const char *path;

	if (glob(DKMS "*/dkms.conf", 0, NULL, &found))
		return false;
	path = found.gl_pathv[found.gl_pathc - 1] + strlen(DKMS);
	snprintf(version, 64, "%.*s", (int)strcspn(path, "/"), path);
	globfree(&found);
	return true;
}

/* The sources that this program was built in, and is run from: "TREE/build/bin/ipcx" */
static bool source_tree(char tree[PATH_MAX])
{
	static const char end[] = "/build/bin/ipcx", file[] = "/kmod/ipcx.h";
	ssize_t n = readlink("/proc/self/exe", tree, PATH_MAX - sizeof(file));

	n -= strlen(end);
	if (n < 1 || strncmp(tree + n, end, strlen(end)))
		return false;
	strcpy(tree + n, file);
	if (access(tree, F_OK))
		return false;
	tree[n] = '\0';
	return true;
}

/* Was this program put here by a package of Debian's form? */
static bool is_packaged(void)
{
	char path[64] = "";

	return readlink("/proc/self/exe", path, sizeof(path) - 1) > 0 &&
	       !strcmp(path, "/usr/bin/ipcx") && !access(PACKAGE, F_OK);
}

static void how_to_build(const char *release, char *next, size_t size)
{
	char tree[PATH_MAX], version[64];

	if (module_of_dkms(version))
		snprintf(next, size,
			 "sudo dkms install ipcx/%s -k %s && sudo modprobe ipcx   (what went wrong "
			 "is in /var/lib/dkms/ipcx/%s/build/make.log)",
			 version, release, version);
	else if (source_tree(tree))
		snprintf(next, size,
			 "make -C '%s' build KDIR=/lib/modules/%s/build && "
			 "sudo insmod '%s/build/ipcx.ko'",
			 tree, release, tree);
	else if (is_packaged())
		snprintf(next, size,
			 "install the package ipcx-dkms from where ipcx-tools came, as by "
			 "sudo apt-get install ./ipcx-dkms_*.deb; then sudo modprobe ipcx");
	else
		snprintf(next, size,
			 "in the sources of ipcx: make build KDIR=/lib/modules/%s/build && "
			 "sudo insmod build/ipcx.ko",
			 release);
}

/* It can be installed, or to be built, or not even that. */
bool missing_module(struct doctor *d, const char *release)
{
	char build[128], version[64], next[3 * PATH_MAX];

	snprintf(build, sizeof(build), "/lib/modules/%.65s/build", release);
	if (module_is_installed(release))
		return wrong(d, "module", "sudo modprobe ipcx", "ipcx is not loaded");
	if (!access(build, F_OK)) {
		how_to_build(release, next, sizeof(next));
		return wrong(d, "module", next, "ipcx is not loaded");
	}
	/* dkms builds it when the headers come */
	snprintf(next, sizeof(next),
		 "sudo apt-get install linux-headers-%.65s   (or your system's package of headers "
		 "for this kernel), then %s",
		 release, module_of_dkms(version) ? "sudo modprobe ipcx" : "ipcx doctor again");
	return wrong(d, "module", next,
		     "ipcx is not loaded, and there is nothing to build it against: no %s", build);
}
