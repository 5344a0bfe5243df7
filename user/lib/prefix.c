// SPDX-License-Identifier: GPL-2.0
/*
 * Text to prefix and back. The good case is read in one pass; only a text that failed is looked
 * at again to say precisely why.
 */
#include "prefix.h"

#include <arpa/inet.h>
#include <string.h>

static const char *const error_texts[PREFIX_ERROR_MAX] = {
	[PREFIX_OK] = "no error",
	[PREFIX_EMPTY] = "empty: give an address or ADDRESS/LENGTH",
	[PREFIX_BAD_ADDRESS] = "not an IPv4 or IPv6 address",
	[PREFIX_SHORT_IPV4] = "short IPv4 address: write all four decimal parts",
	[PREFIX_PADDED_IPV4] =
	    "leading zero in an IPv4 address, which some read as octal: write it without",
	[PREFIX_HEX_IPV4] = "hexadecimal IPv4 address: write four decimal parts",
	[PREFIX_BAD_LENGTH] = "bad prefix length: 1 to 32 for IPv4, 1 to 128 for IPv6",
	[PREFIX_NETMASK] = "netmask in place of a prefix length: write /24 for /255.255.255.0",
	[PREFIX_ZERO_LENGTH] = "everything (/0) is never accepted: write a longer prefix",
	[PREFIX_ZONE] = "address with a zone: remove the % and what follows",
	[PREFIX_PORT] = "address with a port: write the address alone",
	[PREFIX_MAPPED] = "IPv4-mapped IPv6 address: write the IPv4 address",
	[PREFIX_TRAILING] = "something behind the prefix: one entry, then nothing or a comment",
	[PREFIX_REVERSED] = "range whose end is below its start: swap them",
	[PREFIX_MIXED_RANGE] = "range from one family to the other: both ends must be of one",
	[PREFIX_NOT_TEXT] = "control or non-ASCII bytes where an address belongs",
};

const char *prefix_error_text(enum prefix_error error)
{
	if ((unsigned)error >= PREFIX_ERROR_MAX)
		return "unknown error";
	return error_texts[error];
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What @c is as a digit: over 9 where it is none. */
static uint32_t digit_of(char c)
{
	return (unsigned char)c - (uint32_t)'0';
}

/*
 * Reads one to three digits, no zero before another, up to 255; returns where they end, NULL where
 * it is no such number. A fourth digit is left. How many there are is a guess that a processor
 * often gets wrong: with three bytes to look at it is computed.
 */
static const char *read_octet(const char *at, const char *end, uint32_t *ret_value)
{
	static const uint32_t weights[3][3] = { { 1, 0, 0 }, { 10, 1, 0 }, { 100, 10, 1 } };
	uint32_t value, two, more; /* more: digits behind the first */

	if (end - at >= 3) {
		two = digit_of(at[1]) <= 9;
		more = two + (two & (digit_of(at[2]) <= 9));
		value = digit_of(at[0]) * weights[more][0] + digit_of(at[1]) * weights[more][1] +
			digit_of(at[2]) * weights[more][2];
		if ((digit_of(at[0]) > 9) | (value > 255) | (two & (at[0] == '0')))
			return NULL;
		*ret_value = value;
		return at + 1 + more;
	}
	value = at < end ? digit_of(at[0]) : 10;
	two = end - at == 2 && digit_of(at[1]) <= 9;
	if (value > 9 || (two && !value))
		return NULL;
	*ret_value = two ? value * 10 + digit_of(at[1]) : value;
	return at + 1 + two;
}

/* Reads four strict decimal parts; returns the bytes read, 0 where there are none. */
static size_t read_ipv4(const char *text, size_t len, uint32_t *ret_addr)
{
	const char *at = text, *end = text + len;
	uint32_t addr = 0, value;

	for (int part = 0; part < 4; part++) {
		if (part && (at == end || *at++ != '.'))
			return 0;
		at = read_octet(at, end, &value);
		if (!at)
			return 0;
		addr = addr << 8 | value;
	}
	*ret_addr = addr;
	return (size_t)(at - text);
}

bool prefix_parse4(const char *text, size_t len, struct prefix4 *ret_prefix, bool *ret_host_bits)
{
	const char *at, *end = text + len;
	uint32_t addr, prefix_len = 32, host;
	size_t used = read_ipv4(text, len, &addr);

	if (!used)
		return false;
	at = text + used;
	if (at < end && (*at != '/' || read_octet(at + 1, end, &prefix_len) != end ||
			 prefix_len < 1 || prefix_len > 32))
		return false;
	host = prefix_len < 32 ? UINT32_MAX >> prefix_len : 0;
	*ret_prefix = (struct prefix4){ .addr = addr & ~host, .len = (uint8_t)prefix_len };
	*ret_host_bits = (addr & host) != 0;
	return true;
}

static enum prefix_error read_length(const char *text, size_t len, unsigned max, uint8_t *ret_len)
{
	unsigned value = 0;
	uint32_t mask;

	if (len == 0)
		return PREFIX_BAD_LENGTH;
	if (max == 32 && read_ipv4(text, len, &mask) == len)
		return PREFIX_NETMASK;
	if (len > 3 || (len > 1 && text[0] == '0'))
		return PREFIX_BAD_LENGTH;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]))
			return PREFIX_BAD_LENGTH;
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	if (value == 0)
		return PREFIX_ZERO_LENGTH;
	if (value > max)
		return PREFIX_BAD_LENGTH;
	*ret_len = (uint8_t)value;
	return PREFIX_OK;
}

/* Digits and dots, with x where hexadecimal: which of the ambiguous IPv4 forms is it? */
static enum prefix_error why_not_ipv4(const char *text, size_t len)
{
	unsigned dots = 0;
	bool padded = false, hex = false;

	for (size_t i = 0; i < len; i++) {
		bool starts = i == 0 || text[i - 1] == '.';

		if (starts && i + 1 < len && text[i] == '0' && (text[i + 1] | 32) == 'x')
			hex = true;
		if (starts && i + 1 < len && text[i] == '0' && is_digit(text[i + 1]))
			padded = true;
		if (text[i] == '.')
			dots++;
		else if (!is_digit(text[i]) && !hex)
			return PREFIX_BAD_ADDRESS;
	}
	if (hex)
		return PREFIX_HEX_IPV4;
	if (padded)
		return PREFIX_PADDED_IPV4;
	return dots < 3 && is_digit(text[0]) ? PREFIX_SHORT_IPV4 : PREFIX_BAD_ADDRESS;
}

/* Why one word without blanks is neither address. */
static enum prefix_error why_not_word(const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len), *slash = memchr(text, '/', len);
	uint32_t addr;
	size_t used;

	if (memchr(text, '%', len))
		return PREFIX_ZONE;
	if (text[0] == '[' && memchr(text, ']', len))
		return PREFIX_PORT;
	used = read_ipv4(text, len, &addr);
	if (used && used < len && text[used] == ':')
		return PREFIX_PORT;
	if (used && used < len && strchr(",;|\"')]}>", text[used]))
		return PREFIX_TRAILING;
	if (colon)
		return PREFIX_BAD_ADDRESS;
	return why_not_ipv4(text, slash ? (size_t)(slash - text) : len);
}

static enum prefix_error why_not(const char *text, size_t len)
{
	struct prefix prefix;
	enum prefix_error error;

	for (size_t i = 0; i < len; i++)
		if (((unsigned char)text[i] < 0x20 && text[i] != '\t') ||
		    (unsigned char)text[i] > 0x7e)
			return PREFIX_NOT_TEXT;
	for (size_t i = 0; i < len; i++) {
		if (text[i] != ' ' && text[i] != '\t')
			continue;
		error = prefix_parse(text, i, &prefix, NULL);
		if (error == PREFIX_OK)
			return PREFIX_TRAILING;
		return error == PREFIX_EMPTY ? PREFIX_BAD_ADDRESS : error;
	}
	return why_not_word(text, len);
}

static uint64_t mask64(unsigned len)
{
	return len == 0 ? 0 : len >= 64 ? UINT64_MAX : ~(UINT64_MAX >> len);
}

struct prefix prefix_of4(uint32_t addr, uint8_t len)
{
	struct prefix prefix = { .family = 4, .len = len };

	addr = htonl(addr);
	memcpy(prefix.addr_be, &addr, sizeof(addr));
	return prefix;
}

struct prefix prefix_of6(uint64_t hi, uint64_t lo, uint8_t len)
{
	struct prefix prefix = { .family = 6, .len = len };

	hi = __builtin_bswap64(hi);
	lo = __builtin_bswap64(lo);
	memcpy(prefix.addr_be, &hi, sizeof(hi));
	memcpy(prefix.addr_be + 8, &lo, sizeof(lo));
	return prefix;
}

struct prefix4 prefix_to4(const struct prefix *prefix)
{
	uint32_t addr;

	memcpy(&addr, prefix->addr_be, sizeof(addr));
	return (struct prefix4){ .addr = ntohl(addr), .len = prefix->len };
}

struct prefix6 prefix_to6(const struct prefix *prefix)
{
	uint64_t hi, lo;

	memcpy(&hi, prefix->addr_be, sizeof(hi));
	memcpy(&lo, prefix->addr_be + 8, sizeof(lo));
	return (struct prefix6){ .hi = __builtin_bswap64(hi),
				 .lo = __builtin_bswap64(lo),
				 .len = prefix->len };
}

static enum prefix_error parse6(const char *text, size_t len, struct prefix *ret_prefix,
				bool *ret_host_bits)
{
	const char *slash = memchr(text, '/', len);
	size_t addr_len = slash ? (size_t)(slash - text) : len;
	char buf[INET6_ADDRSTRLEN];
	struct prefix prefix = { .family = 6, .len = 128 };
	struct prefix6 p;
	enum prefix_error error;

	if (addr_len >= sizeof(buf) || memchr(text, 0, addr_len))
		return why_not(text, len);
	memcpy(buf, text, addr_len);
	buf[addr_len] = '\0';
	if (inet_pton(AF_INET6, buf, prefix.addr_be) != 1)
		return why_not(text, len);
	p = prefix_to6(&prefix);
	if (slash) {
		error = read_length(slash + 1, len - addr_len - 1, 128, &prefix.len);
		if (error != PREFIX_OK) /* a blank or a control byte is the better reason */
			return why_not(text, len) == PREFIX_BAD_ADDRESS ? error
									: why_not(text, len);
	}
	if (p.hi == 0 && p.lo >> 32 == 0xffff)
		return PREFIX_MAPPED;
	*ret_prefix = prefix_of6(p.hi & mask64(prefix.len),
				 p.lo & mask64(prefix.len > 64 ? prefix.len - 64u : 0), prefix.len);
	if (ret_host_bits)
		*ret_host_bits = memcmp(ret_prefix->addr_be, prefix.addr_be, 16) != 0;
	return PREFIX_OK;
}

enum prefix_error prefix_parse(const char *text, size_t len, struct prefix *ret_prefix,
			       bool *ret_host_bits)
{
	uint32_t addr, mask;
	uint8_t prefix_len = 32;
	size_t used;
	enum prefix_error error, better;

	if (len == 0)
		return PREFIX_EMPTY;
	used = read_ipv4(text, len, &addr);
	if (!used && memchr(text, ':', len))
		return parse6(text, len, ret_prefix, ret_host_bits);
	if (!used || (used < len && text[used] != '/'))
		return why_not(text, len);
	if (used < len) {
		error = read_length(text + used + 1, len - used - 1, 32, &prefix_len);
		if (error != PREFIX_OK) {
			better = why_not(text, len);
			return better == PREFIX_TRAILING || better == PREFIX_NOT_TEXT ? better
										      : error;
		}
	}
	mask = prefix_len ? ~0u << (32 - prefix_len) : 0;
	*ret_prefix = prefix_of4(addr & mask, prefix_len);
	if (ret_host_bits)
		*ret_host_bits = (addr & ~mask) != 0;
	return PREFIX_OK;
}

char *prefix_format(const struct prefix *prefix, char *buf)
{
	unsigned max = prefix->family == 4 ? 32 : 128, len = prefix->len;
	size_t at;

	buf[0] = '\0';
	if (!inet_ntop(prefix->family == 4 ? AF_INET : AF_INET6, prefix->addr_be, buf,
		       INET6_ADDRSTRLEN) ||
	    len >= max)
		return buf;
	at = strlen(buf);
	buf[at++] = '/';
	if (len >= 100)
		buf[at++] = (char)('0' + len / 100);
	if (len >= 10)
		buf[at++] = (char)('0' + len / 10 % 10);
	buf[at++] = (char)('0' + len % 10);
	buf[at] = '\0';
	return buf;
}

bool prefix_covers(const struct prefix *outer, const struct prefix *inner)
{
	unsigned whole = outer->len / 8, rest = outer->len % 8;

	if (outer->family != inner->family || outer->len > inner->len)
		return false;
	if (memcmp(outer->addr_be, inner->addr_be, whole))
		return false;
	return rest == 0 || ((outer->addr_be[whole] ^ inner->addr_be[whole]) >> (8 - rest)) == 0;
}

int prefix4_compare(const void *a, const void *b)
{
	const struct prefix4 *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->len - y->len;
}

int prefix6_compare(const void *a, const void *b)
{
	const struct prefix6 *x = a, *y = b;

	if (x->hi != y->hi)
		return x->hi < y->hi ? -1 : 1;
	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	return x->len - y->len;
}
