// SPDX-License-Identifier: GPL-2.0
/*
 * A fetcher for CrowdSec's local API. URL and key are the config's: the engine only says what to
 * ask, and neither it nor we see the key, which the fetcher's process reads before it is one.
 */
#include "keeper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sys/channel.h"
#include "sys/secret.h"

#define BODY_BYTES (16ull << 20)      /* bytes: beside the decisions, such as those that are over */
/* bytes of one: 20,000 had 134 each, newer servers' have 250 */
#define DECISION_BYTES 512
#define ANSWER_MAX_BYTES (64u << 10)  /* bytes: of the answer to a push, which has none */
#define ALL_S 120		      /* seconds: 20,000 decisions came in 0.4 */
#define NEWS_S 60

/*
 * Everything but ip and range is asked for to be counted; dedup would hide a ban behind another's
 * end (crowdsec#3373).
 */
#define STREAM "/v1/decisions/stream?startup=%s&dedup=false&scopes=ip,range,country,as"

_Static_assert(FETCH_SECRET_BYTES > SECRET_BYTES + sizeof("X-Api-Key: "), "a key fits the job");

static void fill_job(const struct config_crowdsec *crowdsec, uint32_t what, struct fetch_job *job)
{
	memset(job, 0, sizeof(*job));
	job->magic = FETCH_MAGIC;
	job->what = what;
	job->max_entries = crowdsec->max_decisions;
	job->max_body_bytes = what == FETCH_PUSH ? ANSWER_MAX_BYTES
						 : BODY_BYTES + (uint64_t)crowdsec->max_decisions *
									DECISION_BYTES;
	job->total_timeout_s = what == FETCH_DECISIONS_ALL ? ALL_S : NEWS_S;
	job->may_be_private = 1;
	snprintf(job->name, sizeof(job->name), "%s", CONFIG_CROWDSEC_NAME);
	if (what == FETCH_PUSH)
		snprintf(job->url, sizeof(job->url), "%s/v1/usage-metrics", crowdsec->url);
	else
		snprintf(job->url, sizeof(job->url), "%s" STREAM, crowdsec->url,
			 what == FETCH_DECISIONS_ALL ? "true" : "false");
	job->has_key = 1;
	snprintf(job->key_file, sizeof(job->key_file), "%s", crowdsec->key_file);
	snprintf(job->secret, sizeof(job->secret), "X-Api-Key: ");
	/* one slash: else LAPI logs it as bad */
	snprintf(job->user_agent, sizeof(job->user_agent), "sekisho/%s", SEKISHO_VERSION);
	if (crowdsec->ca_file)
		snprintf(job->ca_file, sizeof(job->ca_file), "%s", crowdsec->ca_file);
}

static int check_push(uint32_t what, int push_fd)
{
	size_t bytes;
	int err;

	if (what != FETCH_PUSH)
		return 0;
	err = push_fd < 0 ? -EBADMSG : channel_check_sealed(push_fd, &bytes);
	return err ? err : !bytes || bytes >= FETCH_PUSH_BYTES ? -EMSGSIZE : 0;
}

int crowdsec_start(struct keeper *keeper, const struct role_msg *msg, int push_fd, int *ret_fd,
		   char *why, size_t why_bytes)
{
	const struct config_crowdsec *crowdsec = &keeper->current.config->crowdsec;
	uint32_t what = msg->body.crowdsec.what;
	struct fetch_job job;
	int err;

	why[0] = '\0';
	if (msg->body.crowdsec.config_epoch != keeper->current.epoch)
		return -ESTALE;
	if (!crowdsec->url || what == FETCH_FEED || what >= FETCH_WHAT_MAX)
		return -EINVAL;
	err = check_push(what, push_fd);
	if (err)
		return err;
	fill_job(crowdsec, what, &job);
	err = fetchers_spawn(keeper, &job, crowdsec->key_file, what == FETCH_PUSH ? push_fd : -1,
			     ret_fd, why, why_bytes);
	if (err && !why[0])
		snprintf(why, why_bytes, "the fetcher cannot be started: %s", strerror(-err));
	return err;
}
