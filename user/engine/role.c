// SPDX-License-Identifier: GPL-2.0
/*
 * The engine's end of the pair: hello, calls, and what the keeper says unasked. The keeper gone is
 * our end too. What comes while a call waits is taken when the caller is done: a new config would
 * free the feeds under its feet.
 */
#include "engine.h"
#include "bans.h"
#include "events_file.h"
#include "quality.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/channel.h"
#include "sys/log.h"

#define CALL_MS 5000 /* the keeper answers a call in a few; what comes later is thrown away */
/* for all entries at the start, when nobody waits for us: four million take some seconds */
#define CALL_ALL_MS 60000
#define ASKED_MAX 256 /* questions on their way: more than clients that can wait */

/* A message that came while a call waited. */
struct later {
	struct later *next;
	struct role_msg msg;
	int fds[ROLE_FDS_MAX];
	unsigned n_fds;
};

/* A question whose answer comes by and by. */
struct asked {
	uint32_t seq; /* 0: free */
	bool is_answered;
	int err;
	char text[ROLE_TEXT_BYTES];
};

static struct later *later_first, **later_end = &later_first;
static uv_timer_t later_timer; /* runs out at once: on the loop, out of any call */
static struct asked asked[ASKED_MAX];

static void take_rails(struct engine *engine, const struct role_msg *msg, int fd)
{
	size_t want = msg->body.count * sizeof(struct role_rail);

	engine->n_rails = msg->body.count <= SEK_RAILS_MAX &&
					  pread(fd, engine->rails, want, 0) == (ssize_t)want
				  ? msg->body.count
				  : 0;
}

/*
 * FNV-1a: tells configs apart in the records of bans, where an epoch would begin anew with every
 * start.
 */
static uint64_t hash_of(const uint8_t *data, size_t bytes)
{
	uint64_t sum = 14695981039346656037ull;
	size_t i;

	for (i = 0; i < bytes; i++)
		sum = (sum ^ data[i]) * 1099511628211ull;
	return sum;
}

/*
 * What the config in force costs or risks, for `status`: a start is long ago when somebody wonders.
 */
static void keep_warnings(struct engine *engine, const struct config_errors *errors)
{
	unsigned i;

	json_decref(engine->config_warnings);
	engine->config_warnings = json_array();
	for (i = 0; i < errors->n_warnings; i++) /* out of memory: the start has said it */
		(void)json_array_append_new(engine->config_warnings,
					    json_sprintf("%s:%u: %s", errors->warning[i].file,
							 errors->warning[i].line,
							 errors->warning[i].text));
}

static void take_config(struct engine *engine, int fd, uint32_t epoch)
{
	struct config_errors *errors = calloc(1, sizeof(*errors));
	struct config_source *sources = NULL;
	struct config *config = NULL;
	size_t bytes, n;
	void *data = MAP_FAILED;
	int err = -EINVAL;

	if (errors && !channel_check_sealed(fd, &bytes))
		data = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (data != MAP_FAILED && !config_bundle_unpack(data, bytes, &sources, &n) &&
	    !config_parse(sources, n, &config, errors))
		err = feeds_configure(engine, config, epoch); /* it has said why not */
	else
		log_line(LOG_ERR, "config: the keeper's bundle cannot be read; the old one stays");
	if (!err) {
		engine->config_hash = hash_of(data, bytes);
		keep_warnings(engine, errors);
	}
	if (errors)
		config_errors_clear(errors);
	free(errors);
	free(sources);
	if (data != MAP_FAILED)
		munmap(data, bytes);
}

/* Until the keeper sends the limiter's maps there are none: no lines, no bans, no evidence. */
static void close_limiter(struct engine *engine)
{
	int i;

	for (i = ROLE_FD_SLOTS; i < ROLE_FD_SLOTS + ROLE_LIMITER_FDS; i++) {
		if (engine->map_fds[i] >= 0)
			close(engine->map_fds[i]);
		engine->map_fds[i] = -1;
	}
}

static void take_hello(struct engine *engine, const struct role_msg *msg, const int *fds,
		       unsigned n_fds)
{
	if (n_fds < ROLE_FD_FIXED)
		return;
	engine->hello = *msg;
	engine->generation = msg->body.hello.generation;
	engine->listener[0] = fds[ROLE_FD_LISTENER];
	engine->listener[1] = fds[ROLE_FD_VIEW];
	engine->listener[2] = n_fds > ROLE_FD_METRICS ? fds[ROLE_FD_METRICS] : -1;
	memcpy(engine->map_fds, fds, sizeof(engine->map_fds));
	if (!msg->body.hello.has_limiter)
		close_limiter(engine);
	if (bpf_read_open(&engine->read, fds[ROLE_FD_COUNTERS], fds[ROLE_FD_CONTROL],
			  msg->body.hello.n_cpus))
		log_line(LOG_ERR, "counters: cannot be mapped: %s", strerror(errno));
	credit_open(engine);
	limits_open(engine);
	rates_open(engine);
	top_open(engine);
	quality_open(engine);
	take_config(engine, fds[ROLE_FD_CONFIG], msg->body.hello.config_epoch);
	close(fds[ROLE_FD_CONFIG]);
}

static void close_all(const int *fds, unsigned n_fds)
{
	unsigned i;

	for (i = 0; i < n_fds; i++)
		close(fds[i]);
}

static void take_reply(struct engine *engine, const struct role_msg *msg)
{
	int i;

	if (msg->seq == engine->swap_seq) {
		compile_swapped(engine, msg);
		return;
	}
	for (i = 0; i < ASKED_MAX; i++) {
		if (!asked[i].seq || asked[i].seq != msg->seq)
			continue;
		asked[i].is_answered = true;
		asked[i].err = msg->err;
		memcpy(asked[i].text, msg->text, sizeof(asked[i].text));
		control_poll_waiting(engine);
		return;
	}
}

static void take(struct engine *engine, const struct role_msg *msg, const int *fds, unsigned n_fds)
{
	switch (msg->type) {
	case ROLE_HELLO:
		take_hello(engine, msg, fds, n_fds);
		return;
	case ROLE_CONFIG:
		if (n_fds == 1)
			take_config(engine, fds[0], msg->body.config.config_epoch);
		break;
	case ROLE_RAILS:
		if (n_fds == 1)
			take_rails(engine, msg, fds[0]);
		break;
	case ROLE_IFACES:
		engine->ifaces = *msg;
		bans_hidden_watch(engine);
		break;
	case ROLE_METRICS:
		http_listen(engine, n_fds == 1 ? fds[0] : -1);
		if (n_fds == 1)
			return;
		break;
	case ROLE_LIMITER:
		if (n_fds != ROLE_LIMITER_FDS)
			break;
		close_limiter(engine);
		memcpy(&engine->map_fds[ROLE_FD_SLOTS], fds, ROLE_LIMITER_FDS * sizeof(*fds));
		return;
	case ROLE_EVENTS:
		events_file_use(engine, n_fds == 1 ? fds[0] : -1);
		if (n_fds == 1)
			return;
		break;
	case ROLE_STOP:
		uv_stop(&engine->loop);
		break;
	case ROLE_REPLY:
		take_reply(engine, msg);
		break;
	default:
		break;
	}
	close_all(fds, n_fds);
}

static void put_off(const struct role_msg *msg, const int *fds, unsigned n_fds)
{
	struct later *later = calloc(1, sizeof(*later));

	if (!later)
		exit(1); /* out of memory: the keeper starts us again and says it all anew */
	later->msg = *msg;
	memcpy(later->fds, fds, n_fds * sizeof(fds[0]));
	later->n_fds = n_fds;
	*later_end = later;
	later_end = &later->next;
}

static void take_later(struct engine *engine)
{
	struct later *later;

	while ((later = later_first)) {
		later_first = later->next;
		if (!later_first)
			later_end = &later_first;
		take(engine, &later->msg, later->fds, later->n_fds);
		free(later);
	}
}

static void on_later(uv_timer_t *timer)
{
	take_later(timer->data);
}

/* One message; -EAGAIN where none is there. */
static int receive(struct engine *engine, struct role_msg *msg, int *fds, unsigned *ret_n)
{
	const struct role_msg *checked;
	size_t len;
	int err = channel_recv(engine->role_fd, msg, sizeof(*msg), &len, fds, ROLE_FDS_MAX, ret_n);

	if (err == -EAGAIN)
		return err;
	if (err || role_msg_check(msg, len, &checked)) {
		log_line(LOG_NOTICE, "the keeper is gone, so are we");
		exit(0);
	}
	return 0;
}

static void wait_readable(int fd, int wait_ms)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };

	(void)poll(&one, 1, wait_ms); /* the caller looks again whatever it says */
}

uint32_t role_send(struct engine *engine, struct role_msg *msg, const int *fds, unsigned n_fds)
{
	int err;

	msg->magic = ROLE_MAGIC;
	msg->n_fds = n_fds;
	msg->seq = ++engine->seq;
	while ((err = channel_send(engine->role_fd, msg, sizeof(*msg), fds, n_fds)) == -EAGAIN)
		usleep(1000);
	if (err)
		exit(0);
	return msg->seq;
}

static uint64_t call_left_ms(uint64_t end_ns)
{
	uint64_t now_ns = uv_hrtime();

	return now_ns < end_ns ? (end_ns - now_ns) / 1000000 + 1 : 0;
}

static void no_answer(struct role_msg *reply)
{
	memset(reply, 0, sizeof(*reply));
	reply->err = -ETIMEDOUT;
	snprintf(reply->text, sizeof(reply->text), "the keeper does not answer");
}

void role_call(struct engine *engine, struct role_msg *msg, const int *fds, unsigned n_fds,
	       struct role_msg *ret_reply, int *ret_fd)
{
	uint32_t seq = role_send(engine, msg, fds, n_fds);
	bool is_all = msg->type == ROLE_ENTRIES && msg->body.entries.replace;
	uint64_t end_ns = uv_hrtime() + (is_all ? CALL_ALL_MS : CALL_MS) * 1000000ull, left_ms;
	struct role_msg answer;
	int got[ROLE_FDS_MAX];
	unsigned n = 0;

	for (;;) {
		left_ms = call_left_ms(end_ns);
		if (!left_ms) {
			no_answer(ret_reply);
			return;
		}
		if (receive(engine, &answer, got, &n)) {
			wait_readable(engine->role_fd, left_ms);
			continue;
		}
		if (answer.type == ROLE_REPLY && answer.seq == seq)
			break;
		put_off(&answer, got, n);
		uv_timer_start(&later_timer, on_later, 0, 0);
	}
	if (ret_fd && n == 1) {
		*ret_fd = got[0];
		n = 0;
	}
	close_all(got, n);
	*ret_reply = answer;
}

int role_ask(struct engine *engine, struct role_msg *msg, int fd, uint64_t *ret_number)
{
	int i;

	for (i = 0; i < ASKED_MAX && asked[i].seq; i++)
		;
	if (i == ASKED_MAX)
		return -EBUSY;
	memset(&asked[i], 0, sizeof(asked[i]));
	asked[i].seq = role_send(engine, msg, &fd, fd >= 0 ? 1 : 0);
	*ret_number = asked[i].seq;
	return 0;
}

bool role_answered(uint64_t number, int *ret_err, char *ret_text)
{
	int i;

	for (i = 0; i < ASKED_MAX; i++) {
		if (asked[i].seq != number || !asked[i].is_answered)
			continue;
		*ret_err = asked[i].err;
		memcpy(ret_text, asked[i].text, sizeof(asked[i].text));
		asked[i].seq = 0;
		return true;
	}
	return false;
}

void role_forget(uint64_t number)
{
	int i;

	for (i = 0; i < ASKED_MAX; i++) {
		if (asked[i].seq == number)
			asked[i].seq = 0;
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct engine *engine = poll->data;
	int fds[ROLE_FDS_MAX], rounds;
	struct role_msg msg;
	unsigned n;

	take_later(engine); /* they came before */
	for (rounds = 0; rounds < 64 && !receive(engine, &msg, fds, &n); rounds++) {
		take(engine, &msg, fds, n);
		take_later(engine);
	}
}

int role_open(struct engine *engine)
{
	struct role_msg msg;
	int fds[ROLE_FDS_MAX];
	unsigned n;

	engine->role_fd = ROLE_ENGINE_FD;
	/* makes it non-blocking */
	uv_poll_init(&engine->loop, &engine->role_poll, engine->role_fd);
	engine->role_poll.data = engine;
	uv_poll_start(&engine->role_poll, UV_READABLE, on_readable);
	uv_timer_init(&engine->loop, &later_timer);
	later_timer.data = engine;
	while (!engine->hello.magic) {
		if (receive(engine, &msg, fds, &n))
			wait_readable(engine->role_fd, CALL_MS);
		else
			take(engine, &msg, fds, n);
	}
	return engine->read.cpus && engine->config ? 0 : -EINVAL;
}
