/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of "ipcx doctor" share.
 */
#ifndef IPCX_CLI_DOCTOR_H
#define IPCX_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

struct doctor {
	bool json, wrong;
};

/* One line of the report; return true and false. @next is what to do about it. */
bool ok(struct doctor *d, const char *check, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool wrong(struct doctor *d, const char *check, const char *next, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

bool read_line(const char *path, char *line, size_t size); /* the first, or false */

/* doctor_module.c: what to do about one that is not loaded */
bool missing_module(struct doctor *d, const char *release);
bool module_is_installed(const char *release); /* where modprobe looks */
bool module_of_dkms(char version[64]); /* can dkms build it? The last version that it can */

/* doctor_system.c: what the system thinks of modules, and leaves to this process */
void check_signing(struct doctor *d, const char *release, bool loaded);
void check_headers(struct doctor *d, const char *release);
void check_limits(struct doctor *d);
void check_cgroup(struct doctor *d);

#endif /* IPCX_CLI_DOCTOR_H */
