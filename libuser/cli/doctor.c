// SPDX-License-Identifier: GPL-2.0-only
/*
 * doctor: looks at everything that ipcx needs, from the kernel up, and for what
 * is wrong says what to do next. What depends on something wrong is not tried.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <ipcx.h>

#include "doctor.h"
#include "procfile.h"
#include "util.h"

#define DEVICE		"/dev/ipcx"
#define SYSFS		"/sys/module/ipcx/"
#define TRY_BYTES	100000		/* more than fits into any shortcut for small messages */

/* One line of the report; @next is what to do about something wrong, else NULL. */
static void vreport(struct doctor *d, const char *check, const char *next, const char *fmt,
		    va_list ap) __attribute__((format(printf, 4, 0)));
static void vreport(struct doctor *d, const char *check, const char *next, const char *fmt,
		    va_list ap)
{
	const char *word = next ? "wrong" : "ok";
	bool color = want_color(STDOUT_FILENO);
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (next)
		d->wrong = true;
	if (!d->json) {
		printf("%s%-5s%s  %-9s %s\n",
		       !color ? "" :
		       next   ? "\033[31m" :
				"\033[32m",
		       word, color ? "\033[0m" : "", check, text);
		if (next)
			printf("%18s-> %s\n", "", next);
		return;
	}
	printf("{\"check\":\"%s\",\"ok\":%s,\"text\":", check, next ? "false" : "true");
	json_string(stdout, text, strlen(text));
	printf(",\"next\":");
	if (next)
		json_string(stdout, next, strlen(next));
	else
		printf("null");
	printf("}\n");
}

bool ok(struct doctor *d, const char *check, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vreport(d, check, NULL, fmt, ap);
	va_end(ap);
	return true;
}

bool wrong(struct doctor *d, const char *check, const char *next, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vreport(d, check, next, fmt, ap);
	va_end(ap);
	return false;
}

bool read_line(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "re");
	bool got;

	if (!f)
		return false;
	got = fgets(line, size, f);
	fclose(f);
	if (got)
		line[strcspn(line, "\n")] = '\0';
	return got;
}

static bool check_kernel(struct doctor *d, const char *release)
{
	unsigned int major = 0, minor = 0;

	if (sscanf(release, "%u.%u", &major, &minor) == 2 &&
	    (major < 6 || (major == 6 && minor < 1)))
		return wrong(d, "kernel", "boot Linux 6.1 or newer",
			     "Linux %s is older than the oldest that ipcx is made for", release);
	return ok(d, "kernel", "Linux %s", release);
}

static bool check_module(struct doctor *d, const char *release)
{
	struct stat st;
	char version[64];

	if (stat("/sys/module/ipcx", &st) && stat(DEVICE, &st))
		return missing_module(d, release);
	if (!read_line(SYSFS "version", version, sizeof(version)))
		return ok(d, "module", "ipcx is there, of an unknown version");
	return ok(d, "module", "ipcx %s is loaded; this program is %s", version, IPCX_VERSION);
}

/* For who may not open the device: its group if that may, as the installed rule of udev has it */
static const char *who_may(const struct stat *st, const struct group *gr)
{
	static char next[200];
	const struct passwd *pw = getpwuid(geteuid());

	if ((st->st_mode & 0060) != 0060 || !st->st_gid || !gr)
		return "sudo chmod 666 " DEVICE;
	snprintf(next, sizeof(next), "sudo usermod -aG %.64s %.64s, then log in again", gr->gr_name,
		 pw ? pw->pw_name : "\"$USER\"");
	return next;
}

static bool check_device(struct doctor *d)
{
	const struct passwd *pw;
	const struct group *gr;
	struct stat st;
	char who[128];

	if (stat(DEVICE, &st))
		return wrong(d, "device",
			     "if this is a container, give it the device "
			     "(--device " DEVICE "); else start udev, or mount devtmpfs on /dev",
			     "the module is loaded and " DEVICE " is not there: %s",
			     strerror(errno));
	if (!S_ISCHR(st.st_mode))
		return wrong(d, "device",
			     "sudo rm " DEVICE " && sudo rmmod ipcx && "
			     "sudo modprobe ipcx",
			     DEVICE " is not a device");
	pw = getpwuid(st.st_uid);
	gr = getgrgid(st.st_gid);
	snprintf(who, sizeof(who), "mode %04o, owner %s, group %s", st.st_mode & 07777,
		 pw ? pw->pw_name : "?", gr ? gr->gr_name : "?");
	if (access(DEVICE, R_OK | W_OK))
		return wrong(d, "device", who_may(&st, gr), "you may not open " DEVICE ": %s", who);
	return ok(d, "device", DEVICE ": %s", who);
}

/* Carries one message through @q and looks at what arrives. Returns what is wrong, or NULL. */
static const char *try_message(struct ipcx_queue *q)
{
	static char failure[1200];
	struct ipcx_msg m;
	const char *what = "loan", *found = NULL;
	int r = ipcx_queue_loan(q, TRY_BYTES, &m, IPCX_NOWAIT);

	if (!r) {
		for (size_t i = 0; i < TRY_BYTES; i++)
			((char *)m.data)[i] = i % 251;
		m.tag = 42;
		what = "commit";
		r = ipcx_queue_commit(q, &m);
	}
	if (!r) {
		what = "take";
		r = ipcx_queue_take(q, &m, IPCX_NOWAIT);
	}
	if (!r) {
		if (m.len != TRY_BYTES || m.tag != 42)
			found = "a message arrived with another length or tag";
		else if (m.pid != getpid())
			found = "a message arrived with another process as its sender";
		for (size_t i = 0; !found && i < TRY_BYTES; i++)
			if (((unsigned char *)m.data)[i] != i % 251)
				found = "a message arrived with other bytes";
		what = "release";
		r = ipcx_queue_release(q, &m);
	}
	if (!r)
		return found;
	snprintf(failure, sizeof(failure), "%s: %s", what, ipcx_error());
	return failure;
}

static bool check_message(struct doctor *d)
{
	IPCX_QUEUE_OPTS(opts, .depth = 2, .msg_max = TRY_BYTES, .bytes_max = 4 * TRY_BYTES);
	struct ipcx_queue *q;
	const char *failure;
	int r = ipcx_queue_open(&q, "kernel:", IPCX_CREATE | IPCX_EPHEMERAL | IPCX_SEND | IPCX_RECV,
				&opts);

	if (r == -EDQUOT)
		return wrong(d, "queue", "ipcx ls; then ipcx rm what is not needed", "%s",
			     ipcx_error());
	if (r)
		return wrong(d, "queue", "look for ipcx in the kernel's log: sudo dmesg", "%s",
			     ipcx_error());
	failure = try_message(q);
	ipcx_queue_close(q);
	if (failure)
		return wrong(d, "message", "report this with the output of: uname -a; sudo dmesg",
			     "%s", failure);
	return ok(d, "message", "%d bytes went through a queue and came out the same", TRY_BYTES);
}

static bool check_listing(struct doctor *d)
{
	struct table t;
	int r = table_read(PROC_FILE, &t);

	if (r)
		return wrong(d, "listing",
			     r == -EPROTO ? "use the program and the module of one version" :
					    "mount /proc, or look why it is hidden here",
			     PROC_FILE " cannot be read: %s",
			     r == -EPROTO ? "this program does not know its form" : strerror(-r));
	ok(d, "listing", PROC_FILE " has %zu object%s", t.rows, t.rows == 1 ? "" : "s");
	table_free(&t);
	return true;
}

static void check_environment(struct doctor *d)
{
	const char *forced = getenv("IPCX_TRANSPORT");

	if (forced && *forced && strcmp(forced, "kernel"))
		wrong(d, "choice", "unset IPCX_TRANSPORT",
		      "IPCX_TRANSPORT has names go over another transport than the kernel");
}

static int run_doctor(int argc, char **argv)
{
	static const struct option longs[] = { COMMON_OPTIONS, { 0 } };
	struct doctor d = { 0 };
	struct utsname u;
	bool loaded;
	int c;

	while ((c = next_option(argc, argv, "", longs)) != -1)
		d.json |= c == OPT_JSON;
	if (optind != argc)
		return usage_error("takes no words");
	uname(&u);
	check_environment(&d);
	loaded = check_kernel(&d, u.release) && check_module(&d, u.release);
	check_signing(&d, u.release, loaded);
	check_headers(&d, u.release);
	check_cgroup(&d);
	if (loaded && check_device(&d)) {
		check_limits(&d);
		check_message(&d);
		check_listing(&d);
	}
	return d.wrong ? CLI_WRONG : CLI_OK;
}

const struct command cmd_doctor = {
	"doctor", run_doctor, "look whether everything works, and say what to do",
	"usage: ipcx doctor [--json]\n"
	"\n"
	"Looks at the kernel, the module, whether modules need a signature, headers to build it, the\n"
	"control group's memory, the device, the limits and how much of them is used; sends a\n"
	"message through a queue of its own; reads the listing. What is wrong comes with the next\n"
	"step.\n"
	"Exit code 3 if anything is wrong.\n"
};
