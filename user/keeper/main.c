// SPDX-License-Identifier: GPL-2.0
/* sekishod: options in, a running keeper out. The order of start-up is here: refuse, load, attach,
 * drop rights, run. */
#include "keeper.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sys/channel.h"
#include "sys/log.h"
#include "sys/netlink.h"
#include "sys/notify.h"
#include "sys/sandbox_caps.h"

#define STOP_MS 3000   /* the engine has two seconds to store */
#define TICK_MS 1000   /* a lost interface is back within two */
#define NETLINK_MS 200 /* at most five looks a second because of netlink */

static const char usage[] =
    "usage: sekishod [-c FILE] [-i IFACE]... [--state-dir DIR] [--run-dir DIR] [--pin-dir DIR] [-t] [-v] [--version]\n"
    "  -c, --config FILE    config (/etc/sekisho/sekisho.yaml)\n"
    "  -i, --interface NAME protect NAME instead of the config's interfaces\n"
    "      --state-dir DIR  lists, entries, history (/var/lib/sekisho)\n"
    "      --run-dir DIR    control sockets (/run/sekisho)\n"
    "      --pin-dir DIR    pinned maps and links (/sys/fs/bpf/sekisho)\n"
    "      --detach-on-exit detach when stopped, unless the config says on-exit\n"
    "  -t, --test           check the config and exit\n"
    "  -v, --verbose        say more\n"
    "      --version        print the version\n"
    "  -h, --help           print this\n";

enum { OPT_STATE = 256, OPT_RUN, OPT_PIN, OPT_DETACH, OPT_VERSION };

static const struct option options_long[] = {
    {"config", required_argument, NULL, 'c'},
    {"interface", required_argument, NULL, 'i'},
    {"state-dir", required_argument, NULL, OPT_STATE},
    {"run-dir", required_argument, NULL, OPT_RUN},
    {"pin-dir", required_argument, NULL, OPT_PIN},
    {"detach-on-exit", no_argument, NULL, OPT_DETACH},
    {"test", no_argument, NULL, 't'},
    {"verbose", no_argument, NULL, 'v'},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int add_interface(struct keeper_options *options, const char *name)
{
	if (options->n_interfaces >= SEK_IFACES_MAX ||
	    strlen(name) >= sizeof(options->interfaces[0]) || !name[0]) {
		log_line(LOG_ERR,
			 "-i %s: at most %d interfaces with names of at most 15 characters", name,
			 SEK_IFACES_MAX);
		return -EINVAL;
	}
	strcpy(options->interfaces[options->n_interfaces++], name);
	return 0;
}

/* 0 go on; 1 done, exit 0; negative: wrong usage. */
static int read_options(int argc, char **argv, struct keeper_options *options, bool *ret_test)
{
	int c;

	while ((c = getopt_long(argc, argv, "c:i:tvh", options_long, NULL)) != -1) {
		switch (c) {
		case 'c':
			options->config_path = optarg;
			break;
		case 'i':
			if (add_interface(options, optarg))
				return -EINVAL;
			break;
		case OPT_STATE:
			options->state_dir = optarg;
			break;
		case OPT_RUN:
			options->run_dir = optarg;
			break;
		case OPT_PIN:
			options->pin_dir = optarg;
			break;
		case OPT_DETACH:
			options->detach_on_exit = true;
			break;
		case 't':
			*ret_test = true;
			break;
		case 'v':
			options->is_verbose = true;
			break;
		case OPT_VERSION:
			puts("sekishod " SEKISHO_VERSION);
			return 1;
		case 'h':
			fputs(usage, stdout);
			return 1;
		default:
			return -EINVAL; /* getopt has named the word */
		}
	}
	if (optind < argc) {
		fprintf(stderr, "sekishod: unexpected argument \"%s\"; see sekishod --help\n",
			argv[optind]);
		return -EINVAL;
	}
	return 0;
}

static void apply_config(struct keeper *keeper)
{
	keeper->side.control->malformed_drop = keeper->current.config->malformed_drop;
	limiter_apply(keeper);
}

/* The first error of the config on disk, which keeper_config_load() has printed whole. */
static void say_config_error(const struct keeper *keeper, char *why, size_t why_bytes)
{
	struct config *config = NULL;
	char first[ROLE_TEXT_BYTES - 40];

	if (keeper_config_look(&keeper->options, NULL, &config, first, sizeof(first)))
		snprintf(why, why_bytes, "%s; the old config stays in force", first);
	else
		snprintf(why, why_bytes,
			 "the config had errors, the old one stays in force: reload again");
	config_free(config);
}

int keeper_reload(struct keeper *keeper, char *why, size_t why_bytes)
{
	struct keeper_config next = {.epoch = keeper->current.epoch};
	struct role_msg msg = {.type = ROLE_CONFIG};
	enum sek_mode mode_before = keeper->current.config->mode;
	int fd, metrics_fd, err = keeper_config_load(&keeper->options, &next);

	if (err) {
		say_config_error(keeper, why, why_bytes);
		log_line(LOG_ERR, "reload: the config has errors, the old one stays in force: sekishod -t -c %s shows them",
			 keeper->options.config_path);
		return -EINVAL;
	}
	if (next.config->n_limits && limiter_need(keeper)) {
		snprintf(why, why_bytes, "the kernel has no memory for the limiter's maps; the old config stays in force");
		log_line(LOG_ERR, "reload: %s", why);
		keeper_config_free(&next);
		return -ENOMEM;
	}
	err = sockets_reopen_metrics(keeper, next.config, &metrics_fd, why, why_bytes);
	if (err) {
		log_line(LOG_ERR, "reload: %s; the old config stays in force", why);
		keeper_config_free(&next);
		return err;
	}
	if (next.config->limiter_bits != keeper->current.config->limiter_bits)
		log_line(LOG_WARNING, "reload: limiter-memory changes at the next start, not now");
	keeper_config_free(&keeper->current);
	keeper->current = next;
	if (next.config->mode != mode_before) {
		keeper->side.control->mode = next.config->mode;
		/* else its timer would put back what the config no longer says */
		keeper->has_confirm = false;
		uv_timer_stop(&keeper->confirm);
	}
	apply_config(keeper);
	fetchers_reload(keeper);
	interfaces_reload(keeper);
	sockets_use_metrics(keeper, metrics_fd);
	events_file_reload(keeper);
	fd = channel_memfd("config", next.bundle, next.bundle_len);
	if (fd < 0)
		return fd;
	msg.body.config.config_epoch = next.epoch;
	engine_send(keeper, &msg, &fd, 1);
	close(fd);
	log_line(LOG_NOTICE, "reload: done");
	return 0;
}

static void stop(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static void on_stop_signal(uv_signal_t *signal, int signum)
{
	struct keeper *keeper = signal->data;

	if (keeper->is_stopping)
		return;
	keeper->is_stopping = true;
	notify_send("STOPPING=1");
	engine_stop(keeper);
	uv_timer_start(&keeper->tick, stop, keeper->engine_pid > 0 ? STOP_MS : 0, 0);
}

static void on_reload_signal(uv_signal_t *signal, int signum)
{
	char why[256];

	(void)keeper_reload(signal->data, why, sizeof(why)); /* it has said why */
}

static void on_child_signal(uv_signal_t *signal, int signum)
{
	engine_reap(signal->data);
}

static void look_around(struct keeper *keeper)
{
	if (keeper->is_stopping)
		return;
	keeper->looked_ms = uv_now(&keeper->loop);
	interfaces_watch(keeper);
	if (rails_tick(keeper))
		engine_tell_rails(keeper);
}

static void on_tick(uv_timer_t *timer)
{
	look_around(timer->data);
	fetchers_tick(timer->data, uv_now(timer->loop));
	limiter_tick(timer->data, uv_now(timer->loop));
	events_file_tick(timer->data);
}

static void on_netlink(uv_poll_t *poll, int status, int events)
{
	struct keeper *keeper = poll->data;
	bool was_stale = keeper->rails_are_stale;

	if (!netlink_watch_drain(keeper->netlink_fd))
		return;
	keeper->rails_are_stale = true;
	/* A router that learns thousands of routes a second is looked at once a tick. */
	if (!was_stale && uv_now(&keeper->loop) - keeper->looked_ms >= NETLINK_MS)
		look_around(keeper);
}

static void watch_signal(struct keeper *keeper, uv_signal_t *handle, uv_signal_cb callback,
			 int signum)
{
	uv_signal_init(&keeper->loop, handle);
	handle->data = keeper;
	uv_signal_start(handle, callback, signum);
}

/* A SIGHUP before its handler is there would end us: it waits, and reloads then. */
static void hold_reload_signal(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	(void)sigprocmask(how, &set, NULL); /* cannot fail: a valid set */
}

static void init_loop(struct keeper *keeper)
{
	uv_loop_init(&keeper->loop);
	watch_signal(keeper, &keeper->on_term, on_stop_signal, SIGTERM);
	watch_signal(keeper, &keeper->on_int, on_stop_signal, SIGINT);
	watch_signal(keeper, &keeper->on_hup, on_reload_signal, SIGHUP);
	watch_signal(keeper, &keeper->on_child, on_child_signal, SIGCHLD);
	hold_reload_signal(SIG_UNBLOCK);
	signal(SIGPIPE, SIG_IGN);
	uv_timer_init(&keeper->loop, &keeper->tick);
	keeper->tick.data = keeper;
	uv_timer_start(&keeper->tick, on_tick, TICK_MS, TICK_MS);
	uv_timer_init(&keeper->loop, &keeper->confirm);
	uv_timer_init(&keeper->loop, &keeper->engine_again);
	keeper->netlink_fd = netlink_watch_open();
	if (keeper->netlink_fd < 0)
		return; /* the tick sees the same, a second later */
	uv_poll_init(&keeper->loop, &keeper->netlink_poll, keeper->netlink_fd);
	keeper->netlink_poll.data = keeper;
	uv_poll_start(&keeper->netlink_poll, UV_READABLE, on_netlink);
}

static const char *mode_name(enum sek_mode mode)
{
	return mode == SEK_MODE_MONITOR ? "monitor" : "enforce";
}

static void say_adopted(const struct keeper *keeper)
{
	enum sek_mode before = keeper->control_before.mode, now = keeper->current.config->mode;

	log_line(LOG_NOTICE, "adopted: the maps of an earlier agent, generation %llu still in force",
		 bpf_table_generation(&keeper->side));
	if (before != now)
		log_line(LOG_NOTICE, "mode: %s, as the config says; until now it was %s",
			 mode_name(now), mode_name(before));
}

static int start(struct keeper *keeper)
{
	const char *why = "";
	int err = bpf_side_open(&keeper->side, keeper->options.pin_dir,
				keeper->current.config->limiter_bits, &why);

	if (err) {
		log_line(
		    LOG_ERR, "kernel: %s: %s; %s", why, strerror(-err),
		    err == -EPERM
			? "CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and CAP_SYS_ADMIN are needed: a container must be given them"
			: "Linux 5.15 or later is needed; -v shows what the kernel says");
		return err;
	}
	bpf_former_find(&keeper->side, keeper->options.pin_dir);
	keeper->control_before = *keeper->side.control;
	if (keeper->side.adopted)
		say_adopted(keeper);
	if (keeper->side.limiter_is_new)
		log_line(LOG_NOTICE, "limiter-memory: another size than before: it begins without sources");
	keeper->side.control->mode = keeper->current.config->mode;
	apply_config(keeper);
	err = limiter_open(keeper);
	if (err)
		return err;
	err = bpf_entries_open(&keeper->entries, &keeper->side);
	if (err) {
		log_line(LOG_ERR, "kernel: the entry map: %s", strerror(-err));
		return err;
	}
	err = bpf_ban_map_open(&keeper->bans, &keeper->side);
	if (err)
		return err;
	rails_find_ssh(keeper);
	(void)rails_refresh(keeper); /* the engine is told when it starts */
	err = interfaces_attach(keeper, true);
	if (err)
		return err;
	bpf_side_settle(&keeper->side);
	err = sandbox_caps_keep();
	if (err)
		log_line(LOG_ERR, "capabilities cannot be dropped: %s", strerror(-err));
	else
		events_file_tick(keeper); /* with the rights that it has to do with from now on */
	return err;
}

/* What an earlier agent left stays in force as it was; what this start made goes. */
static void undo_start(struct keeper *keeper)
{
	unsigned i;

	if (keeper->side.adopted && keeper->side.control) {
		keeper->side.control->mode = keeper->control_before.mode;
		keeper->side.control->malformed_drop = keeper->control_before.malformed_drop;
		for (i = 0; i < keeper->n_attachments; i++) {
			if (keeper->is_attached[i] && !keeper->attachment[i].was_adopted)
				bpf_attach_remove(&keeper->side, &keeper->attachment[i]);
		}
	} else if (keeper->side.control) {
		(void)bpf_attach_remove_all(&keeper->side); /* how many does not matter */
		bpf_side_unpin(&keeper->side);
	}
	keeper_unprepare(keeper);
}

static void finish(struct keeper *keeper)
{
	const struct config *config = keeper->current.config;
	bool detach = config->on_exit_set ? config->detach_on_exit : keeper->options.detach_on_exit;
	unsigned i;

	if (detach || keeper->is_detached) {
		interfaces_detach(keeper);
		bpf_side_unpin(&keeper->side);
		return;
	}
	for (i = 0; i < keeper->n_attachments; i++) {
		if (keeper->is_attached[i] || keeper->waits[i])
			log_line(
			    LOG_NOTICE,
			    "stopped: interface %s stays protected; `sekisho detach` before a stop removes it",
			    keeper->attachment[i].name);
	}
}

static int run(struct keeper *keeper)
{
	int err = keeper_prepare(keeper);

	if (err)
		return 1;
	init_loop(keeper);
	log_hold();
	err = start(keeper);
	log_let_go(!err);
	if (err) {
		undo_start(keeper);
		return 1;
	}
	err = engine_start(keeper);
	if (err) {
		log_line(LOG_ERR, "engine: cannot be started: %s", strerror(-err));
		undo_start(keeper);
		return 1;
	}
	interfaces_drop_others(keeper);
	uv_run(&keeper->loop, UV_RUN_DEFAULT);
	if (keeper->engine_pid > 0)
		kill(keeper->engine_pid, SIGKILL);
	finish(keeper);
	return keeper->exit_code;
}

int main(int argc, char **argv)
{
	static struct keeper keeper = {
	    .options = {.config_path = "/etc/sekisho/sekisho.yaml",
			.state_dir = "/var/lib/sekisho",
			.run_dir = "/run/sekisho",
			.pin_dir = "/sys/fs/bpf/sekisho"},
	    .control_fd = -1,
	    .view_fd = -1,
	    .metrics_fd = -1,
	    .events_fd = -1,
	    .engine_fd = -1,
	    .run_dir.fd = -1,
	    .state_dir.fd = -1,
	    .pin_dir.fd = -1,
	};
	bool is_test = false;
	int err;

	hold_reload_signal(SIG_BLOCK);
	log_init("sekishod");
	err = read_options(argc, argv, &keeper.options, &is_test);
	log_set_verbose(keeper.options.is_verbose);
	if (err)
		return err > 0 ? 0 : 2;
	if (!is_test && geteuid() != 0) {
		log_line(LOG_ERR, "root is needed to load the program: run it with sudo");
		return 1;
	}
	if (keeper_config_load(&keeper.options, &keeper.current))
		return 1;
	if (is_test)
		return 0;
	return run(&keeper);
}
