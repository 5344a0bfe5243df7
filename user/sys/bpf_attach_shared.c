// SPDX-License-Identifier: GPL-2.0
/*
 * Attached through libxdp's dispatcher, beside programs of others. Ours are known by the maps they use, so nothing has
 * to be remembered between two agents. libxdp holds what is attached by pins in its own folder of the bpffs; nothing
 * there is touched but ours. Never calls libxdp_clean_references(): it unpins what runs in other network namespaces.
 */
#include "bpf_attach_private.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#define OUR_PRIORITY 5 /* below xdp-filter's 10, so that sources are judged first; libxdp's default is 50 */
#define LOOK_TRIES 5   /* somebody may be rebuilding the dispatcher while we read it */
#define MAPS_MAX 32    /* of one program; sek_xdp has under ten */
#define LOCK_DIR "/run" /* libxdp holds a flock on it while it rebuilds a dispatcher. Source: libxdp 1.3.1, xdp_lock_acquire() */

static char last_words[160]; /* libxdp's last warning, for the line that says why */

static int keep_words(enum libxdp_print_level level, const char *format, va_list args)
{
	if (level != LIBXDP_WARN)
		return 0;
	vsnprintf(last_words, sizeof(last_words), format, args);
	last_words[strcspn(last_words, "\n")] = '\0';
	return 0;
}

static void say_why(const char *name, int err, char *why, size_t why_bytes)
{
	char text[100] = "";

	(void)libxdp_strerror(err, text, sizeof(text)); /* text is filled in any case */
	snprintf(why, why_bytes, "interface %s: libxdp's dispatcher: %s%s%s", name, text, last_words[0] ? ": " : "", last_words);
}

/* libxdp's pins: FOLDER/dispatch-IFINDEX-ID/progPLACE-{prog,link}. Source: xdp-tools, lib/libxdp/protocol.org. */
static void pin_folder(char *path, size_t size)
{
	const char *bpffs = secure_getenv("LIBXDP_BPFFS");

	snprintf(path, size, "%s/xdp", bpffs ? bpffs : "/sys/fs/bpf");
}

static int open_place(unsigned ifindex, unsigned dispatcher_id, unsigned place, const char *what)
{
	char folder[200], path[300];

	pin_folder(folder, sizeof(folder));
	snprintf(path, sizeof(path), "%s/dispatch-%u-%u/prog%u-%s", folder, ifindex, dispatcher_id, place, what);
	return bpf_obj_get(path);
}

static __u32 control_id(const struct bpf_side *side)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(side->map_fd[BPF_MAP_CONTROL], &info, &len) ? 0 : info.id;
}

/* Whose a program is, by the control map that every program of an agent uses. */
enum owner { OTHER, OWN, FORMER };

static enum owner owner_of_map(const struct bpf_side *side, __u32 own, __u32 id)
{
	unsigned i;

	for (i = 0; i < side->n_former && side->former[i].control_id != id; i++)
		;
	return !id ? OTHER : id == own ? OWN : i < side->n_former ? FORMER : OTHER;
}

/* @own is control_id(@side). */
static enum owner owner_of(const struct bpf_side *side, __u32 own, int program_fd)
{
	__u32 ids[MAPS_MAX] = { 0 }, len = sizeof(struct bpf_prog_info), i;
	struct bpf_prog_info info = { .nr_map_ids = MAPS_MAX, .map_ids = (uintptr_t)ids };
	enum owner owner = OTHER;

	if (bpf_obj_get_info_by_fd(program_fd, &info, &len))
		return OTHER;
	for (i = 0; i < info.nr_map_ids && i < MAPS_MAX && owner == OTHER; i++)
		owner = owner_of_map(side, own, ids[i]);
	return owner;
}

static unsigned main_on(unsigned ifindex, bool *ret_native)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (bpf_xdp_query(ifindex, 0, &query))
		return 0;
	*ret_native = query.drv_prog_id != 0;
	return query.drv_prog_id ? query.drv_prog_id : query.skb_prog_id ? query.skb_prog_id : query.hw_prog_id;
}

static bool is_dispatcher(unsigned id)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	bool is_named = fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, "xdp_dispatcher");

	if (fd >= 0)
		close(fd);
	return is_named;
}

static void read_components(const struct bpf_side *side, unsigned ifindex, __u32 control, struct attach_view *view)
{
	struct bpf_prog_info info;
	enum owner owner;
	__u32 len;
	int fd;

	while (view->n_programs < ATTACH_PROGRAMS_MAX) {
		fd = open_place(ifindex, view->main_id, view->n_programs, "prog");
		if (fd < 0)
			return;
		memset(&info, 0, sizeof(info));
		len = sizeof(info);
		owner = owner_of(side, control, fd);
		if (owner != OTHER && !bpf_obj_get_info_by_fd(fd, &info, &len)) {
			view->our_is_former[view->n_ours] = owner == FORMER;
			view->our_id[view->n_ours] = info.id;
			view->our_place[view->n_ours++] = view->n_programs;
		}
		view->n_programs++;
		close(fd);
	}
}

int attach_shared_look(const struct bpf_side *side, unsigned ifindex, struct attach_view *ret_view)
{
	__u32 control = control_id(side);
	struct attach_view view;
	bool is_native;
	int i;

	for (i = 0; i < LOOK_TRIES; i++) {
		memset(&view, 0, sizeof(view));
		view.main_id = main_on(ifindex, &view.is_native);
		if (!view.main_id)
			break;
		if (is_dispatcher(view.main_id))
			read_components(side, ifindex, control, &view);
		if (main_on(ifindex, &is_native) == view.main_id)
			break; /* else somebody is rebuilding it, and what we read is of both */
	}
	*ret_view = view;
	if (!view.main_id)
		return -ENOENT;
	return view.n_programs ? 0 : -EBUSY;
}

/* What a child that called libxdp has to say. */
struct child_answer {
	int err;
	unsigned program_id;
	char words[sizeof(last_words)];
};

typedef void (*child_fn)(const void *argument, struct child_answer *answer);

/*
 * libxdp 1.3.1 leaves descriptors of programs open at each call (several of a dispatcher's components), which would fill
 * the keeper's table and keep dead programs alive: so it is called in a child that ends. The pins hold what it attached.
 */
static void in_child(child_fn call, const void *argument, struct child_answer *answer)
{
	int ends[2];
	pid_t pid;

	*answer = (struct child_answer){ .err = -EIO };
	if (pipe2(ends, O_CLOEXEC)) {
		answer->err = -errno;
		return;
	}
	pid = fork();
	if (pid == 0) {
		libxdp_set_print(keep_words); /* its own goes to stderr */
		call(argument, answer);
		memcpy(answer->words, last_words, sizeof(answer->words));
		_exit(write(ends[1], answer, sizeof(*answer)) != sizeof(*answer));
	}
	close(ends[1]);
	if (pid < 0)
		answer->err = -errno;
	else if (read(ends[0], answer, sizeof(*answer)) != sizeof(*answer))
		answer->err = -EIO; /* it died */
	close(ends[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	memcpy(last_words, answer->words, sizeof(last_words));
}

struct removal {
	unsigned ifindex, spare_id;
	bool is_former_only;
	const struct attach_view *view;
};

static void call_detach(const void *argument, struct child_answer *answer)
{
	const struct removal *removal = argument;
	struct xdp_program *programs[ATTACH_PROGRAMS_MAX];
	const struct attach_view *view = removal->view;
	unsigned i, n = 0;

	answer->err = 0;
	for (i = 0; i < view->n_ours; i++) {
		if (view->our_id[i] == removal->spare_id || (removal->is_former_only && !view->our_is_former[i]))
			continue;
		programs[n] = xdp_program__from_id(view->our_id[i]);
		if (!libxdp_get_error(programs[n]))
			n++;
	}
	if (n)
		answer->err = xdp_program__detach_multi(programs, n, removal->ifindex, view->is_native ? XDP_MODE_NATIVE : XDP_MODE_SKB, 0);
}

/* Takes ours out, all but @spare_id, or only those of other layouts. Errors: negative errno. */
static int remove_ours(unsigned ifindex, const struct attach_view *view, unsigned spare_id, bool is_former_only)
{
	struct removal removal = { .ifindex = ifindex, .spare_id = spare_id, .is_former_only = is_former_only, .view = view };
	struct child_answer answer;

	in_child(call_detach, &removal, &answer);
	return answer.err;
}

/* Notes where our program @attachment->program_id sits now. False where it is not there. */
static bool find_place(struct bpf_attachment *attachment, const struct attach_view *view)
{
	unsigned i;

	for (i = 0; i < view->n_ours && view->our_id[i] != attachment->program_id; i++)
		;
	if (i == view->n_ours)
		return false;
	if (attachment->link_fd >= 0)
		close(attachment->link_fd);
	/* Held open, it keeps our program in the dispatcher even when libxdp's folder is swept. */
	attachment->link_fd = open_place(attachment->ifindex, view->main_id, view->our_place[i], "link");
	attachment->dispatcher_id = view->main_id;
	attachment->is_native = view->is_native;
	return true;
}

/* libxdp attaches a program without the dispatcher where that fails; such a one is taken off again. */
static int undo_single(unsigned ifindex, struct xdp_program *program, enum xdp_attach_mode mode)
{
	__u32 id = 0;

	if (bpf_xdp_query_id(ifindex, 0, &id) || id != xdp_program__id(program))
		return 0;
	(void)xdp_program__detach(program, ifindex, mode, 0); /* then the interface is named as occupied */
	return -EOPNOTSUPP;
}

struct addition {
	const struct bpf_side *side;
	const struct bpf_attachment *attachment;
	bool is_native;
};

static void call_attach(const void *argument, struct child_answer *answer)
{
	const struct addition *addition = argument;
	enum xdp_attach_mode mode = addition->is_native ? XDP_MODE_NATIVE : XDP_MODE_SKB;
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, .prog_name = "sek_xdp");
	unsigned ifindex = addition->attachment->ifindex;
	struct sekisho_bpf *object;
	struct xdp_program *program;

	answer->err = bpf_program_open(addition->side, addition->attachment->slot, &object, &opts.obj);
	if (answer->err)
		return;
	program = xdp_program__create(&opts);
	answer->err = libxdp_get_error(program);
	if (!answer->err)
		answer->err = xdp_program__set_run_prio(program, OUR_PRIORITY);
	if (!answer->err)
		answer->err = xdp_program__set_chain_call_enabled(program, XDP_PASS, true);
	if (!answer->err) /* libbpf keeps what xdp.frags says to itself until the load */
		answer->err = xdp_program__set_xdp_frags_support(program, true);
	last_words[0] = '\0';
	if (!answer->err)
		answer->err = xdp_program__attach(program, ifindex, mode, 0);
	if (!answer->err)
		answer->err = undo_single(ifindex, program, mode);
	if (!answer->err)
		answer->program_id = xdp_program__id(program);
}

static int add_in_mode(const struct bpf_side *side, struct bpf_attachment *attachment, bool is_native)
{
	struct addition addition = { .side = side, .attachment = attachment, .is_native = is_native };
	struct child_answer answer;
	struct attach_view view;

	in_child(call_attach, &addition, &answer);
	if (answer.err)
		return answer.err;
	attachment->program_id = answer.program_id;
	attachment->object = NULL; /* its pins hold the program */
	if (attach_shared_look(side, attachment->ifindex, &view) || !find_place(attachment, &view))
		return -EAGAIN; /* somebody took it out again at once */
	return 0;
}

/* In the mode of the dispatcher that is there; else native and then generic, as far as @want goes. */
static int add_new(const struct bpf_side *side, struct bpf_attachment *attachment, const struct attach_view *view,
		   enum bpf_attach_want want)
{
	int err;

	if (view->main_id)
		return add_in_mode(side, attachment, view->is_native);
	if (want == BPF_ATTACH_GENERIC)
		return add_in_mode(side, attachment, false);
	err = add_in_mode(side, attachment, true);
	if (err && want == BPF_ATTACH_AUTO)
		err = add_in_mode(side, attachment, false);
	return err;
}

int attach_shared_add(const struct bpf_side *side, struct bpf_attachment *attachment, const struct attach_view *view,
		      enum bpf_attach_want want, char *why, size_t why_bytes)
{
	struct bpf_attachment next = *attachment;
	struct attach_view now;
	int err;

	next.link_fd = -1;
	err = add_new(side, &next, view, want);
	if (err == -E2BIG)
		snprintf(why, why_bytes, "interface %s: its dispatcher (program id %u) holds %d programs, no more fit", next.name, view->main_id, ATTACH_PROGRAMS_MAX);
	else if (err)
		say_why(next.name, err, why, why_bytes);
	if (err)
		return err;
	next.is_shared = true;
	next.was_adopted = view->n_ours > 0;
	if (next.was_adopted && !attach_shared_look(side, next.ifindex, &now)) {
		err = remove_ours(next.ifindex, &now, next.program_id, false);
		if (err)
			snprintf(next.note, sizeof(next.note), "interface %s: an older program of ours stays beside the new one: %s", next.name, strerror(-err));
		if (!attach_shared_look(side, next.ifindex, &now))
			(void)find_place(&next, &now); /* else the next tick sees that it is gone */
	}
	*attachment = next;
	return 0;
}

bool attach_shared_is_alive(const struct bpf_side *side, struct bpf_attachment *attachment)
{
	struct attach_view view;
	bool is_native;

	if (main_on(attachment->ifindex, &is_native) == attachment->dispatcher_id)
		return true;
	return !attach_shared_look(side, attachment->ifindex, &view) && find_place(attachment, &view);
}

unsigned attach_shared_remove(const struct bpf_side *side, unsigned ifindex)
{
	struct attach_view view;

	if (attach_shared_look(side, ifindex, &view) || !view.n_ours || remove_ours(ifindex, &view, 0, false))
		return 0;
	return view.n_ours;
}

typedef void (*visit_fn)(const struct bpf_side *side, const char *path, unsigned ifindex, unsigned id, unsigned place, unsigned *n);

/* Calls @visit for each folder of pins that has one of @owner's in @place; @id is its dispatcher's. */
static void each_of(const struct bpf_side *side, enum owner owner, visit_fn visit, unsigned *n)
{
	unsigned ifindex, id, place;
	__u32 control = control_id(side);
	char folder[200], path[500];
	struct dirent *entry;
	DIR *dir;

	pin_folder(folder, sizeof(folder));
	dir = opendir(folder);
	while (dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "dispatch-%u-%u", &ifindex, &id) != 2)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		for (place = 0; place < ATTACH_PROGRAMS_MAX; place++) {
			int fd = open_place(ifindex, id, place, "prog");
			bool is_one = fd >= 0 && owner_of(side, control, fd) == owner;

			if (fd >= 0)
				close(fd);
			if (is_one)
				visit(side, path, ifindex, id, place, n);
		}
	}
	if (dir)
		closedir(dir);
}

static void forget(const char *path, unsigned place, unsigned *n)
{
	char pin[540];

	snprintf(pin, sizeof(pin), "%s/prog%u-link", path, place);
	*n += unlink(pin) == 0;
	snprintf(pin, sizeof(pin), "%s/prog%u-prog", path, place);
	(void)unlink(pin); /* the link was what held it */
	(void)rmdir(path); /* not empty: the others' are theirs to remove */
}

static void forget_if_gone(const struct bpf_side *side, const char *path, unsigned ifindex, unsigned id, unsigned place, unsigned *n)
{
	char name[IF_NAMESIZE];

	if (!if_indextoname(ifindex, name))
		forget(path, place, n);
}

void attach_shared_forget_gone(const struct bpf_side *side)
{
	unsigned n = 0;

	each_of(side, OWN, forget_if_gone, &n);
}

static void forget_if_unused(const struct bpf_side *side, const char *path, unsigned ifindex, unsigned id, unsigned place, unsigned *n)
{
	bool is_native;

	if (main_on(ifindex, &is_native) != id)
		forget(path, place, n);
}

void attach_shared_forget_unused(const struct bpf_side *side)
{
	int lock = open(LOCK_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned n = 0;

	/* Without the lock, one that is about to be put on the interface looks like one that never was. */
	if (lock >= 0 && !flock(lock, LOCK_EX | LOCK_NB)) {
		each_of(side, OWN, forget_if_unused, &n);
		each_of(side, FORMER, forget_if_unused, &n);
	}
	if (lock >= 0)
		close(lock);
}

static void remove_one(const struct bpf_side *side, const char *path, unsigned ifindex, unsigned id, unsigned place, unsigned *n)
{
	char name[IF_NAMESIZE];

	if (if_indextoname(ifindex, name))
		*n += attach_shared_remove(side, ifindex);
}

unsigned attach_shared_remove_all(const struct bpf_side *side)
{
	unsigned n = 0;

	each_of(side, OWN, remove_one, &n);
	each_of(side, OWN, forget_if_gone, &n);
	return n;
}

static void remove_former_one(const struct bpf_side *side, const char *path, unsigned ifindex, unsigned id, unsigned place, unsigned *n)
{
	struct attach_view view;

	if (!attach_shared_look(side, ifindex, &view) && view.main_id == id)
		*n += remove_ours(ifindex, &view, 0, true) == 0;
}

unsigned attach_shared_remove_former(const struct bpf_side *side)
{
	unsigned n = 0, unused = 0;

	each_of(side, FORMER, remove_former_one, &n);
	each_of(side, FORMER, forget_if_gone, &unused);
	return n;
}
