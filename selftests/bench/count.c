// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin for QEMU, for scripts/bench.sh --where: how often each instruction is executed between
 * the marks of bench.c, in a guest of one CPU. A line for each piece of code without a jump: how
 * often, and the address of each of its instructions.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mark.h"
#include "plugin.h"

int qemu_plugin_version = 1;

/**
 * struct piece - code that QEMU translated at once
 * @next: the one translated before
 * @count: how often it was executed
 * @before: the same, at the first mark
 * @n: its instructions
 * @address: of each
 */
struct piece {
	struct piece *next;
	uint64_t count, before;
	size_t n;
	uint64_t address[];
};

static const uint8_t mark[] = { MARK_BYTES };
static struct piece *pieces;
static const char *out;

static void begin(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	for (struct piece *p = pieces; p; p = p->next)
		p->before = p->count;
}

static void end(unsigned int cpu, void *data)
{
	FILE *f = fopen(out, "w");

	(void)cpu;
	(void)data;
	if (!f) {
		perror(out);
		exit(1);
	}
	for (const struct piece *p = pieces; p; p = p->next) {
		if (p->count == p->before)
			continue;
		fprintf(f, "%ju", (uintmax_t)(p->count - p->before));
		for (size_t i = 0; i < p->n; i++)
			fprintf(f, " %jx", (uintmax_t)p->address[i]);
		fputc('\n', f);
	}
	fclose(f);
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	struct piece *p = calloc(1, sizeof(*p) + n * sizeof(p->address[0]));

	(void)id;
	if (!p)
		abort();
	p->n = n;
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *code = qemu_plugin_insn_data(insn);

		p->address[i] = qemu_plugin_insn_vaddr(insn);
		if (qemu_plugin_insn_size(insn) != sizeof(mark) + 1 ||
		    memcmp(code, mark, sizeof(mark)))
			continue;
		qemu_plugin_register_vcpu_insn_exec_cb(insn,
						       code[sizeof(mark)] == MARK_END ? end : begin,
						       QEMU_PLUGIN_CB_NO_REGS, NULL);
	}
	p->next = pieces;
	pieces = p;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &p->count, 1);
}

/* QEMU calls it with "out=FILE" */
int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4))
		return 1;
	out = strdup(argv[0] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
