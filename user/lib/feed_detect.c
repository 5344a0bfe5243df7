// SPDX-License-Identifier: GPL-2.0
/*
 * format: auto. Each format's own test counts the lines it would read; one must read nearly all of
 * them, where it could be mistaken for another its sign must be there too. When unsure it refuses:
 * a wrong guess blocks strangers.
 */
#include "feed_detect.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "feed_entry.h"
#include "feed_lines.h"
#include "feed_parse.h"
#include "feed_reader.h"
#include "feed_shape.h"
#include "fetch_msg.h"

#define COLUMNS 8 /* of a CSV are tried */
/* an error page is shorter; a list that is longer may hold a slip of words */
#define SMALL_LINES 100
#define PATHS_BYTES 94 /* of a refusal of 256, whose words take up to 162 */
#define PROSE_WORDS 3 /* so many in a line that is no entry are a sentence, not a slip */

/* Lines seen, and how many of them each grammar reads. */
struct census {
	unsigned content, prose, pairs, excepted, masks, plain, tor, ipsum, dshield, dat, p2p,
		geofeed;
	unsigned column[4][COLUMNS]; /* by separator: an address there */
	const char *sign;            /* name of a list that a comment or header tells */
	uint32_t sign_format;
};

static const char separators[] = ",;|\t";

static int refuse(struct feed_found *found, const char *why)
{
	(void)snprintf(found->why, sizeof(found->why), "%s", why);
	return -EBADMSG;
}

static int accept(struct feed_found *found, uint32_t format, const char *why)
{
	found->format = format;
	(void)snprintf(found->why, sizeof(found->why), "%s", why);
	return 0;
}

const char *feed_detect_rubbish(const char *text, size_t len)
{
	if (len >= 2 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2)))
		return "UTF-16 text: serve the list as ASCII or UTF-8";
	if (len >= 4 && ((text[0] && !text[1] && text[2] && !text[3]) ||
			 (!text[0] && text[1] && !text[2] && text[3])))
		return "UTF-16 text: serve the list as ASCII or UTF-8";
	while (len && (*text == ' ' || *text == '\t' || *text == '\r' || *text == '\n')) {
		text++;
		len--;
	}
	if (len && *text == '<')
		return "an HTML page, not a list";
	len = len < 1024 ? len : 1024; /* a page behind that has told itself */
	for (const char *end = text + len; (text = memchr(text, '<', (size_t)(end - text))); text++)
		if ((end - text >= 5 && !strncasecmp(text, "<html", 5)) ||
		    (end - text >= 9 && !strncasecmp(text, "<!doctype", 9)))
			return "an HTML page, not a list";
	return NULL;
}

/* Signs in comments and header lines. The rows are in the order in which they are believed. */
static void look_for_sign(struct census *census, const char *text, size_t len)
{
	static const struct {
		const char *text, *sign;
		uint32_t format;
	} rows[] = {
	    {"ipv4 hash:net ipset", "FireHOL's header: hash:net", FETCH_NETSET},
	    {"ipv4 hash:ip ipset", "FireHOL's header: hash:ip", FETCH_NETSET},
	    {"; Spamhaus ", "Spamhaus's header", FETCH_SPAMHAUS},
	    {"Feodo Tracker Botnet C2 IP Blocklist (CSV)", "Feodo Tracker's header",
	     FETCH_ABUSE_CH},
	    {"DstIP,DstPort", "the columns of abuse.ch's SSL blacklist", FETCH_ABUSE_CH},
	    {"DShield.org Recommended Block List", "DShield's header", FETCH_DSHIELD},
	    {"network,geoname_id,", "MaxMind's header", FETCH_MAXMIND},
	};

	for (size_t i = 0; !census->sign && i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (memmem(text, len, rows[i].text, strlen(rows[i].text))) {
			census->sign = rows[i].sign;
			census->sign_format = rows[i].format;
		}
	}
}

static void count_columns(struct census *census, const char *text, size_t len)
{
	const char *field;
	size_t field_len;

	for (unsigned s = 0; separators[s]; s++) {
		if (!memchr(text, separators[s], len))
			continue;
		for (unsigned n = 0; n < COLUMNS; n++)
			if (feed_csv_field(text, len, separators[s], n, &field, &field_len) &&
			    feed_is_entry(field, field_len))
				census->column[s][n]++;
	}
}

static bool is_tor(const char *text, size_t len)
{
	return (len > 9 && !memcmp(text, "ExitNode ", 9)) ||
	       (len > 10 && !memcmp(text, "Published ", 10)) ||
	       (len > 11 && !memcmp(text, "LastStatus ", 11)) ||
	       (len > 12 && !memcmp(text, "ExitAddress ", 12));
}

/* Words between blanks, of letters and what ends them in a sentence. */
static unsigned count_words(const char *text, size_t len)
{
	unsigned words = 0;
	size_t letters = 0;
	bool is_word = true;

	for (size_t i = 0; i <= len; i++) {
		if (i == len || text[i] == ' ' || text[i] == '\t') {
			words += is_word && letters > 0;
			letters = 0;
			is_word = true;
		} else if (isalpha((unsigned char)text[i])) {
			letters++;
		} else if (!strchr(".,:;!?'\"()-", text[i])) {
			is_word = false;
		}
	}
	return words;
}

/* ADDRESS;ADDRESS: start and end, or who and whom; no comment. */
static bool is_pair(const char *text, size_t len)
{
	const char *field;
	size_t field_len;

	return feed_csv_field(text, len, ';', 0, &field, &field_len) &&
	       feed_is_entry(field, field_len) &&
	       feed_csv_field(text, len, ';', 1, &field, &field_len) &&
	       feed_is_entry(field, field_len);
}

/* A line of ADDRESS and COUNT whose count may be a prefix length, or its address a network's. */
static bool is_mask(const char *text, size_t len)
{
	const char *count = memrchr(text, ' ', len), *tab = memrchr(text, '\t', len);
	char both[PREFIX_TEXT_BYTES];
	bool has_host_bits = true;
	struct prefix prefix;
	size_t address_len;
	int n;

	if (tab > count || !count)
		count = tab;
	address_len = (size_t)(count - text);
	feed_trim(&text, &address_len);
	if (memchr(text, '/', address_len) || prefix_parse(text, address_len, &prefix, NULL))
		return false;
	if (prefix.family == 4 && !(prefix_to4(&prefix).addr & 0xff))
		return true;
	n = snprintf(both, sizeof(both), "%.*s/%.*s", (int)address_len, text,
		     (int)(text + len - count - 1), count + 1);
	if (n < 0 || (size_t)n >= sizeof(both))
		return false;
	return !prefix_parse(both, (size_t)n, &prefix, &has_host_bits) && !has_host_bits &&
	       prefix.len < (prefix.family == 4 ? 32 : 128);
}

static void count_line(struct census *census, const char *text, size_t len)
{
	size_t bare = 0;

	feed_trim(&text, &len);
	if (!len)
		return;
	if (*text == '#' || *text == ';' || !memcmp(text, "network", len < 7 ? len : 7))
		look_for_sign(census, text, len);
	if (*text == '#' || *text == ';' || (len >= 10 && !memcmp(text, "Start\tEnd\t", 10)))
		return;
	census->content++;
	while (bare < len && text[bare] != '#' && text[bare] != ';')
		bare++;
	while (bare && (text[bare - 1] == ' ' || text[bare - 1] == '\t'))
		bare--;
	census->pairs += is_pair(text, len);
	census->excepted += *text == '!' && feed_is_entry(text + 1, bare - 1);
	if (feed_is_entry(text, bare))
		census->plain++;
	else
		census->prose += count_words(text, len) >= PROSE_WORDS;
	census->tor += is_tor(text, len);
	if (feed_is_ipsum(text, len)) {
		census->ipsum++;
		census->masks += is_mask(text, len);
	}
	census->dshield += feed_is_dshield(text, len);
	census->dat += feed_is_dat(text, len);
	census->p2p += feed_is_p2p(text, len);
	census->geofeed += feed_is_geofeed(text, len);
	count_columns(census, text, len);
}

/* A CSV of no known kind: tells what to write into the config. */
static int refuse_csv(const struct census *census, struct feed_found *found)
{
	static const char *const names[] = {"", " and separator: ;", " and separator: |",
					    " and separator: tab"};
	unsigned best = 0, s_best = 0, n_best = 0;

	for (unsigned s = 0; s < 4; s++) {
		for (unsigned n = 0; n < COLUMNS; n++) {
			if (census->column[s][n] > best) {
				best = census->column[s][n];
				s_best = s;
				n_best = n;
			}
		}
	}
	if (best * 2 < census->content || !best)
		return refuse(found, "not a list of addresses");
	(void)snprintf(
	    found->why, sizeof(found->why),
	    "a table of no known kind; column %u holds addresses: if they are the ones meant, give format: csv, column: %u%s",
	    n_best + 1, n_best + 1, names[s_best]);
	return -EBADMSG;
}

static bool is_most(const struct census *census, unsigned n)
{
	return n && (uint64_t)n * 10 >= (uint64_t)census->content * 9;
}

/* ADDRESS and a number: that of lists which hold it, or of a network's bits or addresses? */
static int judge_ipsum(const struct census *census, struct feed_found *found)
{
	if ((uint64_t)census->masks * 10 > census->ipsum)
		return refuse(
		    found,
		    "lines of a network and a number, which may be its size: if it is how many lists hold the address, give format: ipsum");
	return accept(found, FETCH_IPSUM, "lines of ADDRESS and COUNT");
}

/* Addresses in lines, which alone are no sign: a page of an error may have them too. */
static int judge_plain(const struct census *census, struct feed_found *found)
{
	if (census->excepted)
		return refuse(
		    found,
		    "lines with ! before an address, which are exceptions: no format has them");
	if ((uint64_t)census->pairs * 10 > census->content)
		return refuse(
		    found,
		    "two addresses a line with ; between: if they are start and end, write A-B; if the second is a comment, give format: plain");
	if (!is_most(census, census->plain))
		return refuse(
		    found,
		    "not a list of addresses for sure: over a tenth of its lines are none; if it is one, give format: plain");
	if (census->prose && census->content < SMALL_LINES)
		return refuse(
		    found,
		    "a few addresses and a sentence, perhaps an error page; if it is a list, give format: plain");
	return accept(found, FETCH_PLAIN, "an address, prefix or range a line");
}

static int judge(const struct census *census, bool is_whole, struct feed_found *found)
{
	if (!census->content && is_whole && !census->sign)
		return refuse(found, "no entries");
	if (census->sign_format == FETCH_MAXMIND)
		return refuse(found,
			      "MaxMind's country blocks: give format: maxmind and country: CODES");
	if (census->sign)
		return accept(found, census->sign_format, census->sign);
	if (is_most(census, census->tor))
		return accept(found, FETCH_TOR, "Tor's ExitNode and ExitAddress lines");
	if (is_most(census, census->dshield))
		return accept(found, FETCH_DSHIELD, "lines of START, END and LENGTH that agree");
	if (is_most(census, census->dat))
		return accept(found, FETCH_DAT, "lines of A - B , LEVEL , NAME");
	if (is_most(census, census->p2p))
		return accept(found, FETCH_P2P, "lines of NAME:A-B");
	if (is_most(census, census->ipsum))
		return judge_ipsum(census, found);
	if (is_most(census, census->geofeed))
		return accept(found, FETCH_GEOFEED, "lines of PREFIX,COUNTRY (RFC 8805)");
	if ((uint64_t)census->plain * 2 >= census->content && census->plain)
		return judge_plain(census, found);
	return census->content
		   ? refuse_csv(census, found)
		   : refuse(
			 found,
			 "nothing but comments or one endless line in the first 64 KiB: if it is a list, give its format");
}

static int detect_text(const char *text, size_t len, bool is_whole, struct feed_found *found)
{
	struct census census = {0};
	size_t begin = 0;

	for (size_t i = 0; i <= len; i++) {
		if (i < len && text[i] != '\n' && text[i] != '\r')
			continue;
		if (i == len && !is_whole)
			break; /* a part of a line tells nothing */
		if (i - begin <= FEED_LINE_BYTES)
			count_line(&census, text + begin, i - begin);
		begin = i + 1;
	}
	return judge(&census, is_whole, found);
}

/* What is seen of each shape in the start of a JSON text. */
struct survey {
	unsigned good[32], bad[32];
	bool sign[32];
	unsigned roots;
	unsigned n_paths;	 /* with an address, each once */
	bool has_more;		 /* than have room, or than select: could name */
	char paths[PATHS_BYTES]; /* as select: takes them */
};
_Static_assert(sizeof(((struct survey *)0)->good) / sizeof(unsigned) >= 20,
	       "a place for each shape");

/* Who follows the refusal's advice must not lose a half of the list in silence. */
static void add_path(struct survey *survey, const char *path)
{
	size_t len = strlen(survey->paths), room = sizeof(survey->paths) - len;

	if (feed_select_has(survey->paths, path))
		return;
	if (strpbrk(path, ", *") || !feed_select_is_good(path) || strlen(path) + 2 > room) {
		survey->has_more = true;
		return;
	}
	(void)snprintf(survey->paths + len, room, "%s%s", len ? "," : "", path); /* it fits */
	survey->n_paths++;
}

static int survey_item(void *ctx, const struct feed_json_item *item)
{
	struct survey *survey = ctx;
	bool is_entry = item->event == FEED_JSON_STRING && feed_is_entry(item->text, item->len);

	survey->roots += item->event == FEED_JSON_ROOT;
	if (item->event == FEED_JSON_ROOT || item->event == FEED_JSON_OBJECT)
		return 0;
	for (unsigned i = 0; i < feed_shapes_n; i++) {
		const struct feed_shape *shape = &feed_shapes[i];

		survey->sign[i] |= !shape->sign || !strcmp(shape->sign, item->path);
		if (!feed_select_has(shape->paths, item->path) ||
		    (shape->except && feed_select_has(shape->except, item->path)))
			continue;
		survey->good[i] += is_entry;
		survey->bad[i] += !is_entry;
	}
	if (is_entry)
		add_path(survey, item->path);
	return 0;
}

/* Tells what to write into the config. */
static int refuse_json(const struct survey *survey, bool is_whole, struct feed_found *found)
{
	const char *format = survey->roots > 1 ? "ndjson" : "json";

	if (!survey->n_paths)
		return refuse(found, "JSON without addresses at a known place");
	if (survey->n_paths == 1 && is_whole && !survey->has_more && strlen(survey->paths) < 64)
		(void)snprintf(
		    found->why, sizeof(found->why),
		    "JSON of no known kind; addresses stand at %.63s: if they are the ones meant, give format: %s and select: %.63s",
		    survey->paths, format, survey->paths);
	else
		(void)snprintf(
		    found->why, sizeof(found->why),
		    "JSON of no known kind; addresses stand at %u place%s%s%s: if all are meant, give format: %s and select: %s",
		    survey->n_paths, survey->n_paths == 1 ? "" : "s",
		    is_whole ? "" : " of its first 64 KiB",
		    survey->has_more ? ", and others without room here" : "", format,
		    survey->paths);
	return -EBADMSG;
}

static int judge_json(const struct survey *survey, bool is_whole, struct feed_found *found)
{
	const struct feed_shape *best = NULL;

	for (unsigned i = 0; i < feed_shapes_n; i++) {
		if (!survey->good[i] || survey->bad[i] > survey->good[i] || !survey->sign[i])
			continue;
		if (best)
			return refuse(
			    found,
			    "JSON that could be of two kinds: give format: json and select: PATH");
		best = &feed_shapes[i];
	}
	if (best && best->refuse)
		return refuse(found, best->refuse);
	if (best) {
		found->format = best->format;
		found->shape = best;
		(void)snprintf(found->why, sizeof(found->why), "%s: addresses at %s", best->name,
			       best->paths);
		return 0;
	}
	return refuse_json(survey, is_whole, found);
}

static int detect_json(const char *text, size_t len, bool is_whole, struct feed_found *found)
{
	struct survey survey = {0};
	struct feed_json *json = feed_json_new(true, survey_item, &survey);
	uint64_t line;
	int rc;

	if (!json)
		return -ENOMEM;
	rc = feed_json_push(json, text, len);
	if (!rc && is_whole)
		rc = feed_json_end(json);
	if (rc == -EBADMSG) {
		const char *why = feed_json_why(json, &line);

		(void)snprintf(found->why, sizeof(found->why),
			       "not valid JSON: line %" PRIu64 ": %s", line, why);
	}
	feed_json_free(json);
	return rc ? rc : judge_json(&survey, is_whole, found);
}

int feed_detect(const char *text, size_t len, bool is_whole, struct feed_found *ret_found)
{
	size_t blank = 0;

	memset(ret_found, 0, sizeof(*ret_found));
	while (blank < len && strchr(" \t\r\n", text[blank]) && text[blank])
		blank++;
	if (blank < len && (text[blank] == '{' || text[blank] == '['))
		return detect_json(text, len, is_whole, ret_found);
	return detect_text(text, len, is_whole, ret_found);
}
