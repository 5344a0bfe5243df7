// SPDX-License-Identifier: GPL-2.0
/*
 * sekisho-engine: started by the keeper only, with its channel as descriptor 3. Locks itself in,
 * opens the state, serves, compiles.
 */
#include "bans.h"
#include "crowdsec.h"
#include "engine.h"
#include "events.h"
#include "events_file.h"
#include "explain.h"
#include "limits.h"
#include "quality.h"
#include "since.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/log.h"
#include "sys/sandbox_engine.h"

#define TICK_MS 1000
#define STORE_TICKS 10 /* seconds between writes of the totals and looks at rates */

static int open_state(struct engine *engine)
{
	char path[ENGINE_PATH_BYTES], aside[PATH_MAX] = "";
	int err;

	snprintf(path, sizeof(path), "%s/lists", engine->state_dir);
	if (mkdir(path, 0700) && errno != EEXIST) {
		log_line(LOG_ERR, "state: %s: %s", path, strerror(errno));
		return -errno;
	}
	lists_clean(engine->state_dir);
	snprintf(path, sizeof(path), "%s/state.db", engine->state_dir);
	err = store_open(path, &engine->store, aside);
	engine->state_is_lost = aside[0] != '\0';
	if (aside[0])
		log_line(LOG_ERR, "state: %s was damaged and is set aside as %s; lists and entries in force stay, entries are no longer listed", path, aside);
	if (err == -ENOTSUP)
		log_line(LOG_ERR, "state: %s is of a later version of Sekisho: install that one again, or move the file away, and begin without its entries and history", path);
	else if (err)
		log_line(LOG_ERR, "state: %s cannot be opened: %s", path, strerror(-err));
	return err;
}

static void on_tick(uv_timer_t *timer)
{
	static unsigned ticks;
	struct engine *engine = timer->data;

	feeds_tick(engine);
	crowdsec_tick(engine);
	limits_tick(engine);
	compile_tick(engine);
	entries_expire(engine);
	disk_tick(engine);
	since_tick(engine);
	bans_tick(engine);
	events_file_tick(engine);
	quality_tick(engine);
	if (ticks++ % STORE_TICKS)
		return;
	crowdsec_hits_take(engine);
	credit_store(engine); /* and so reads the counters anew */
	explain_watch(engine);
	quality_store(engine);
	rates_tick(engine);
	top_tick(engine);
}

static int start(struct engine *engine)
{
	int err = open_state(engine);

	if (err)
		return err;
	crowdsec_open(engine);
	err = role_open(engine);
	if (!err)
		(void)entries_restore(engine); /* it has said what was refused */
	if (!err)
		err = bans_open(engine);
	if (!err)
		events_open(engine);
	if (!err)
		err = control_open(engine);
	if (err)
		return err;
	http_listen(engine, engine->listener[2]);
	uv_timer_init(&engine->loop, &engine->tick);
	engine->tick.data = engine;
	uv_timer_start(&engine->tick, on_tick, 0, TICK_MS);
	return 0;
}

int main(int argc, char **argv)
{
	static struct engine engine = { .listener = { -1, -1, -1 } };
	int err;

	log_init("sekisho-engine");
	if (argc != 3 || strcmp(argv[1], "--state-dir")) {
		fputs("sekisho-engine is started by sekishod; see sekishod(8)\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	engine.state_dir = argv[2];
	crowdsec_usage_begin();
	err = sandbox_engine_apply(engine.state_dir);
	if (err) {
		log_line(LOG_ERR, "sandbox: cannot be set: %s", strerror(-err));
		return 1;
	}
	uv_loop_init(&engine.loop);
	engine.loop.data = &engine;
	if (start(&engine))
		return 1;
	uv_run(&engine.loop, UV_RUN_DEFAULT);
	crowdsec_hits_take(&engine);
	credit_store(&engine);
	quality_store(&engine);
	bans_close(&engine);
	events_file_close(&engine);
	crowdsec_close(&engine);
	http_listen(&engine, -1);
	store_close(engine.store);
	return 0;
}
