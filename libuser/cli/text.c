// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bytes of others on their way to a terminal or into JSON.
 */
#include <string.h>
#include <wchar.h>

#include "util.h"

/*
 * Decodes one character and returns its length, or 0 where the bytes are not
 * UTF-8: too long a form, a surrogate and what is above U+10FFFF are not.
 */
static size_t utf8_next(const unsigned char *p, size_t len, uint32_t *cp)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : *p >= 0xc0 ? 2 : 0;

	if (!n || n > len || *p > 0xf4)
		return 0;
	*cp = n == 1 ? *p : *p & (0xff >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (p[i] & 0x3f);
	}
	if (*cp < least[n] || *cp > 0x10ffff || (*cp >= 0xd800 && *cp <= 0xdfff))
		return 0;
	return n;
}

bool is_utf8(const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	uint32_t cp;
	size_t n;

	for (; len; p += n, len -= n) {
		n = utf8_next(p, len, &cp);
		if (!n)
			return false;
	}
	return true;
}

/* Control characters, and those that have no width or turn the direction of a line */
static bool is_treacherous(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0xad || cp == 0x61c ||
	       (cp >= 0x200b && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
	       (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff || cp == 0x180e ||
	       (cp >= 0xfe00 && cp <= 0xfe0f) || (cp >= 0xe0000 && cp <= 0xe0fff);
}

void put_printable(FILE *f, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	uint32_t cp;
	size_t n;

	for (; len; p += n, len -= n) {
		n = utf8_next(p, len, &cp);
		if (n && !is_treacherous(cp) && cp != '\\') {
			fwrite(p, n, 1, f);
			continue;
		}
		n = n ? n : 1;
		for (size_t i = 0; i < n; i++)
			fprintf(f, "\\%03o", p[i]);
	}
}

/* How many columns put_printable() takes for the first character, of *@n bytes */
static int columns_of(const unsigned char *p, size_t len, size_t *n)
{
	uint32_t cp;
	int width;

	*n = utf8_next(p, len, &cp);
	if (!*n) {
		*n = 1;
		return 4;
	}
	width = wcwidth(cp);
	return is_treacherous(cp) || cp == '\\' ? 4 * (int)*n : width < 0 ? 1 : width;
}

void put_columns(FILE *f, const void *bytes, size_t len, int width)
{
	const unsigned char *p = bytes;
	int used = 0, fits = 0; /* columns up to the end, and up to where a "+" still fits */
	size_t n, end = 0, cut = 0;

	while (end < len) {
		int w = columns_of(p + end, len - end, &n);

		if (used + w > width)
			break;
		used += w;
		end += n;
		if (used < width) {
			cut = end;
			fits = used;
		}
	}
	if (end < len && width > 0) {
		put_printable(f, p, cut);
		fputc('+', f);
		used = fits + 1;
	} else {
		put_printable(f, p, end);
	}
	fprintf(f, "%*s", width - used, "");
}

void json_string(FILE *f, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	uint32_t cp;
	size_t n;

	fputc('"', f);
	for (; len; p += n, len -= n) {
		n = utf8_next(p, len, &cp);
		if (!n) {
			fputs("\\ufffd", f);
			n = 1;
		} else if (cp == '"' || cp == '\\') {
			fprintf(f, "\\%c", (int)cp);
		} else if (is_treacherous(cp)) {
			if (cp >= 0x10000)
				fprintf(f, "\\u%04x", 0xd7c0 + (cp >> 10));
			fprintf(f, "\\u%04x", cp >= 0x10000 ? 0xdc00 + (cp & 0x3ff) : cp);
		} else {
			fwrite(p, n, 1, f);
		}
	}
	fputc('"', f);
}

static void json_base64(FILE *f, const unsigned char *p, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	fputc('"', f);
	for (; len; p += 3, len -= len < 3 ? len : 3) {
		uint32_t v = p[0] << 16 | (len > 1 ? p[1] << 8 : 0) | (len > 2 ? p[2] : 0);

		fputc(digits[v >> 18], f);
		fputc(digits[v >> 12 & 63], f);
		fputc(len > 1 ? digits[v >> 6 & 63] : '=', f);
		fputc(len > 2 ? digits[v & 63] : '=', f);
	}
	fputc('"', f);
}

/* JSON knows no bytes: what is not text goes as KEY_base64. */
void json_member(FILE *f, const char *key, const void *bytes, size_t len)
{
	bool text = is_utf8(bytes, len);

	fprintf(f, "\"%s%s\":", key, text ? "" : "_base64");
	if (text)
		json_string(f, bytes, len);
	else
		json_base64(f, bytes, len);
}
