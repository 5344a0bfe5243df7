// SPDX-License-Identifier: GPL-2.0
/*
 * What hides a banned source from its ban's count, noted once for each ban. Where it cannot be told
 * in time which bans an entry meets, it is said of all: that a thing is not known is never wrong.
 */
#include "bans.h"

#include <stdio.h>
#include <string.h>

#define LOOKS_MAX 500000 /* rows looked at between two ticks: some 10 ms */

static const char *const texts[STORE_HIDDEN_MAX] = {
	[STORE_HIDDEN_MODE] = "mode monitor was on for a time",
	[STORE_HIDDEN_DETACH] = "an interface was detached for a time",
	[STORE_HIDDEN_ENTRY] = "an entry held it for a time",
	[STORE_HIDDEN_LIST] = "an allow list held it for a time",
	[STORE_HIDDEN_AWAY] = "after a reboot, or a stop that detached, it was not seen for a time",
	[STORE_HIDDEN_OLD] = "the ban is from before this was noted",
};

const char *bans_hidden_text(enum store_hidden hidden)
{
	return hidden < STORE_HIDDEN_MAX ? texts[hidden] : texts[STORE_HIDDEN_OLD];
}

static void hide(struct engine *engine, struct bans_row *row, enum store_hidden why)
{
	if (row->hidden || row->is_over)
		return;
	row->hidden = why;
	(void)store_ban_hide(engine->store, row->id, why); /* then this engine alone knows it */
}

static void hide_all(struct engine *engine, enum store_hidden why)
{
	/* each ban's row is written when a scan meets it */
	engine->bans->hid_ns = bans_clock().boot_ns;
	engine->bans->hid_why = why;
}

void bans_hidden_watch(struct engine *engine)
{
	const struct role_msg *now = &engine->ifaces;
	struct bans *bans = engine->bans;
	bool is_monitor = now->body.ifaces.mode == SEK_MODE_MONITOR;
	unsigned i, n = 0;

	if (!bans || now->type != ROLE_IFACES)
		return; /* the keeper tells it in a moment */
	for (i = 0; i < now->body.ifaces.count && i < SEK_IFACES_MAX; i++)
		n += now->body.ifaces.iface[i].attached;
	if (is_monitor && !bans->was_monitor)
		hide_all(engine, STORE_HIDDEN_MODE);
	else if (bans->was_watched ? n < bans->was_attached : bans->are_put_back)
		hide_all(engine, bans->was_watched ? STORE_HIDDEN_DETACH : STORE_HIDDEN_AWAY);
	if (is_monitor)
		bans->monitor_ns = bans_clock().boot_ns;
	bans->was_watched = true;
	bans->was_monitor = is_monitor;
	bans->was_attached = n;
	bans->n_looks = 0;
}

/* Bans of narrower prefixes inside @prefix. */
static void hide_inside(struct engine *engine, const struct prefix *prefix)
{
	struct bans_index *index = &engine->bans->index;
	uint32_t i;

	engine->bans->n_looks += index->n_rows;
	if (engine->bans->n_looks > LOOKS_MAX) {
		hide_all(engine, STORE_HIDDEN_ENTRY);
		return;
	}
	for (i = 0; i < index->n_rows; i++) {
		struct prefix source = bans_prefix(&index->rows[i].key);

		if (index->rows[i].is_used && prefix_covers(prefix, &source))
			hide(engine, &index->rows[i], STORE_HIDDEN_ENTRY);
	}
}

void bans_hidden_entry(struct engine *engine, const struct prefix *prefix)
{
	const struct sek_control *control = engine->read.control;
	const uint8_t *lens = prefix->family == 4 ? control->ban_lens4 : control->ban_lens6;
	uint8_t longest = 0;
	unsigned i;

	if (!engine->bans || !engine->bans->index.n_live)
		return;
	for (i = 0; i < SEK_BAN_LENS_MAX && lens[i]; i++) {
		struct prefix around = lists_shorten(prefix, lens[i]);
		struct sek_entry_key key = bans_key(&around);
		struct bans_row *row =
			lens[i] <= prefix->len ? bans_index_find(&engine->bans->index, &key) : NULL;

		if (row)
			hide(engine, row, STORE_HIDDEN_ENTRY);
		longest = lens[i] > longest ? lens[i] : longest;
	}
	if (prefix->len < longest)
		hide_inside(engine, prefix);
}

void bans_hidden_note(struct engine *engine, struct bans_row *row)
{
	struct bans *bans = engine->bans;
	struct prefix source = bans_prefix(&row->key);
	enum store_hidden why = STORE_HIDDEN_NOT;

	if (row->hidden)
		return;
	if (bans->hid_ns && row->ban.since_ns <= bans->hid_ns)
		why = bans->hid_why;
	else if (row->looked_at != engine->swapped_generation && lists_allow(engine, &source))
		why = STORE_HIDDEN_LIST;
	row->looked_at = engine->swapped_generation;
	if (!why)
		return;
	bans_write(engine); /* many may follow: on disk together */
	hide(engine, row, why);
}

enum store_hidden bans_hidden_of(const struct engine *engine, const struct store_ban *ban)
{
	struct sek_entry_key key = bans_key(&ban->source);
	const struct bans_row *row = bans_index_find(&engine->bans->index, &key);

	if (ban->hidden || ban->state != STORE_BAN_LIVE)
		return ban->hidden;
	if (row && row->id == ban->id && row->hidden)
		return row->hidden;
	return engine->bans->hid_ns && ban->ban.since_ns <= engine->bans->hid_ns
		       ? engine->bans->hid_why
		       : STORE_HIDDEN_NOT;
}
