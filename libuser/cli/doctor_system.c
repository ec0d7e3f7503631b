// SPDX-License-Identifier: GPL-2.0-only
/*
 * doctor: whether the system would load a module, and how much of the limits is used.
 */
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doctor.h"
#include "netlink.h"
#include "util.h"

#define LOCKDOWN "/sys/kernel/security/lockdown"
#define ENFORCE "/sys/module/module/parameters/sig_enforce"
#define TAINT "/sys/module/ipcx/taint"
#define SECURE_BOOT "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define PARAMETERS "/sys/module/ipcx/parameters/"
#define CGROUPS "/sys/fs/cgroup"

/* "off", "on", or that there is none; behind four bytes of attributes is a byte */
static const char *secure_boot(void)
{
	FILE *f = fopen(SECURE_BOOT, "re");
	char bytes[5];
	size_t n;

	if (!f)
		return "not there";
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	return n == sizeof(bytes) && bytes[4] == 1 ? "on" : "off";
}

/* The word in brackets: "none [integrity] confidentiality" */
static void lockdown(char word[32])
{
	char line[128], *begin, *end;

	strcpy(word, "none");
	if (!read_line(LOCKDOWN, line, sizeof(line)))
		return;
	begin = strchr(line, '[');
	end = begin ? strchr(begin, ']') : NULL;
	if (end)
		snprintf(word, 32, "%.*s", (int)(end - begin - 1), begin + 1);
}

/* Kernels that are locked down, or told so, take signed modules only. */
void check_signing(struct doctor *d, const char *release, bool loaded)
{
	char lock[32], line[16], version[64], next[512];
	bool enforced = read_line(ENFORCE, line, sizeof(line)) && *line == 'Y';

	lockdown(lock);
	if (loaded) {
		bool unsigned_one = read_line(TAINT, line, sizeof(line)) && strchr(line, 'E');

		ok(d, "signing", "the module is %s; Secure Boot is %s, lockdown %s",
		   unsigned_one ? "not signed, and was taken" :
				  "signed, or this kernel does not look",
		   secure_boot(), lock);
	} else if (!enforced && !strcmp(lock, "none")) {
		ok(d, "signing", "modules need no signature; Secure Boot is %s, lockdown %s",
		   secure_boot(), lock);
	} else {
		if (module_of_dkms(version))
			snprintf(next, sizeof(next),
				 "enrol the key that dkms signs with: "
				 "sudo mokutil --import /var/lib/dkms/mok.pub and a reboot");
		else
			snprintf(next, sizeof(next),
				 "make a key as Documentation/signing.rst says, enrol it by "
				 "\"sudo mokutil --import mok.der\" and a reboot; then "
				 "sudo /lib/modules/%.65s/build/scripts/sign-file sha256 "
				 "mok.key mok.der %s",
				 release,
				 module_is_installed(release) ? "\"$(modinfo -n ipcx)\"" :
								"build/ipcx.ko");
		wrong(d, "signing", next,
		      "this kernel takes signed modules only: Secure Boot is %s, lockdown %s%s",
		      secure_boot(), lock, enforced ? ", module.sig_enforce is set" : "");
	}
}

void check_headers(struct doctor *d, const char *release)
{
	char path[128];

	snprintf(path, sizeof(path), "/lib/modules/%.65s/build", release);
	if (access(path, F_OK))
		ok(d, "headers", "no %s; only building the module needs it", path);
	else
		ok(d, "headers", "%s", path);
}

/* Nine of ten parts are too many to go on in peace. */
static bool is_much(uint64_t used, uint64_t max)
{
	return used > max / 10 * 9;
}

/* Limits do not stop who has this, if it is of the first user namespace. */
static bool is_unlimited(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	return !syscall(SYS_capget, &head, data) && data[0].effective & 1U << CAP_SYS_RESOURCE;
}

#define RM "ipcx ls; ipcx rm what is not needed"

static void report_limit(struct doctor *d, const char *parameter, const char *cure,
			 const char *text, uint64_t used, uint64_t max)
{
	char next[256];

	if (!is_much(used, max) || is_unlimited()) {
		ok(d, "limits", "%s%s", text,
		   is_much(used, max) ? ", which does not stop CAP_SYS_RESOURCE" : "");
		return;
	}
	snprintf(next, sizeof(next), "%s; or: echo %llu | sudo tee " PARAMETERS "%s", cure,
		 (unsigned long long)max * 2, parameter);
	wrong(d, "limits", next, "%s", text);
}

void check_limits(struct doctor *d)
{
	struct nlattr *attrs[ATTRS];
	char used[SIZE_TEXT], max[SIZE_TEXT], text[128];
	uint64_t bytes, bytes_max, objects, objects_max, regions;
	struct answer a;
	int err;

	if (nl_ask(IPCX_CMD_LIMIT_GET, false, 0, NULL, 0, &a, &err)) {
		wrong(d, "limits", "use the program and the module of one version",
		      "the module does not tell them");
		return;
	}
	answer_attrs(&a, 0, attrs);
	bytes = attr_or_0(attrs, IPCX_A_LIMIT_BYTES);
	bytes_max = attr_or_0(attrs, IPCX_A_LIMIT_BYTES_MAX);
	objects = attr_or_0(attrs, IPCX_A_LIMIT_OBJECTS);
	objects_max = attr_or_0(attrs, IPCX_A_LIMIT_OBJECTS_MAX);
	regions = attr_or_0(attrs, IPCX_A_LIMIT_REGIONS);
	snprintf(text, sizeof(text), "you have %s of %s for messages", size_text(used, bytes),
		 size_text(max, bytes_max));
	report_limit(d, "user_bytes_max", RM, text, bytes, bytes_max);
	snprintf(text, sizeof(text), "you have %llu of %llu objects", (unsigned long long)objects,
		 (unsigned long long)objects_max);
	report_limit(d, "user_queues_max", RM, text, objects, objects_max);
	snprintf(text, sizeof(text), "messages of yours carry %llu of %llu regions",
		 (unsigned long long)regions, (unsigned long long)objects_max);
	report_limit(d, "user_queues_max", "ipcx holders; have messages released", text, regions,
		     objects_max);
	ok(d, "limits", "the longest message is %s, the deepest queue %llu",
	   size_text(max, attr_or_0(attrs, IPCX_A_LIMIT_MSG_MAX)),
	   (unsigned long long)attr_or_0(attrs, IPCX_A_LIMIT_DEPTH_MAX));
	answer_free(&a);
}

static bool cgroup_number(const char *dir, const char *file, uint64_t *v)
{
	char path[PATH_MAX + 32], line[64];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return read_line(path, line, sizeof(line)) && parse_number(line, 10, UINT64_MAX, v);
}

/* What cannot be taken back: all but the cache of files, of which shared memory is a part */
static uint64_t cgroup_used(const char *dir)
{
	char path[PATH_MAX + 32], line[128];
	uint64_t used = 0, file = 0, shmem = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/memory.stat", dir);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		unsigned long long v;

		if (sscanf(line, "file %llu", &v) == 1)
			file = v;
		else if (sscanf(line, "shmem %llu", &v) == 1)
			shmem = v;
	}
	if (f)
		fclose(f);
	cgroup_number(dir, "memory.current", &used);
	used += shmem;
	return used > file ? used - file : 0;
}

/* The directory of this process' group; false without cgroup v2, or where it is elsewhere */
static bool own_cgroup(char dir[PATH_MAX])
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, "0::/", 4) && !strstr(line, "/..");
	if (f)
		fclose(f);
	if (!found)
		return false;
	line[strcspn(line, "\n")] = '\0';
	snprintf(dir, PATH_MAX, CGROUPS "%.4000s", line + 3);
	return !access(CGROUPS "/cgroup.controllers", F_OK);
}

/* Messages are charged to the group of who made the queue; any group above may be full, too. */
void check_cgroup(struct doctor *d)
{
	char dir[PATH_MAX], full[PATH_MAX] = "", u[SIZE_TEXT], m[SIZE_TEXT], next[PATH_MAX + 64];
	uint64_t max, now, used = 0, least = UINT64_MAX;
	bool much = false;

	if (!own_cgroup(dir)) {
		ok(d, "cgroup", "not known: no cgroup v2 is visible here");
		return;
	}
	for (; !much && strlen(dir) > strlen(CGROUPS); *strrchr(dir, '/') = '\0') {
		if (!cgroup_number(dir, "memory.max", &max))
			continue;
		now = cgroup_used(dir);
		much = is_much(now, max);
		if (!much && max >= least)
			continue;
		least = max;
		used = now;
		strcpy(full, dir);
	}
	if (!*full) {
		ok(d, "cgroup", "no memory limit of a control group");
		return;
	}
	size_text(u, used);
	size_text(m, least);
	if (!much) {
		ok(d, "cgroup", "%s of %s of memory are used in %s", u, m, full);
		return;
	}
	snprintf(next, sizeof(next), "echo %llu | sudo tee '%s/memory.max'",
		 (unsigned long long)least * 2, full);
	wrong(d, "cgroup", next, "%s of %s of memory are used in %s", u, m, full);
}
