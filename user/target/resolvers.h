/* SPDX-License-Identifier: GPL-2.0-only */
/* What target.c's table holds: one function per kind, one file each. */
#ifndef NSWATCH_TARGET_RESOLVERS_H
#define NSWATCH_TARGET_RESOLVERS_H

#include <jansson.h>

#include "target/containers.h"
#include "target/target.h"

struct survey;

/*
 * Each fills kind, name, path and what it knows of pid, files_root and
 * container; the caller fills ns and is_host. -ENOENT: no such thing, with a
 * message; another -errno: there is one, but it cannot be used, or it could not
 * be found out.
 */
int target_docker(const char *name, struct target *out, struct err *e);
int target_netns(const char *name, struct target *out, struct err *e);
int target_pid(const char *name, struct target *out, struct err *e);
int target_path(const char *name, struct target *out, struct err *e);
int target_inode(const char *name, struct target *out, struct err *e);
int target_host(const char *name, struct target *out, struct err *e);
int target_new(const char *name, struct target *out, struct err *e);

/* One per runtime: what containers_each() is put together from, with the same
 * contract. */
typedef int (*containers_lister)(struct survey *s, containers_fn fn, void *ctx, struct err *e);

int docker_containers(struct survey *s, containers_fn fn, void *ctx, struct err *e);
int docker_state_containers(struct survey *s, containers_fn fn, void *ctx, struct err *e);
int podman_containers(struct survey *s, containers_fn fn, void *ctx, struct err *e);
int podman_api_containers(struct survey *s, containers_fn fn, void *ctx, struct err *e);
int cri_containers(struct survey *s, containers_fn fn, void *ctx, struct err *e);
int machine_containers(struct survey *s, containers_fn fn, void *ctx, struct err *e);

/* Finds name among those that list gives, as a whole, a tail of its parts or the
 * start of an id: fills *out or explains. */
int containers_resolve(struct survey *survey, containers_lister list, const char *kind,
		       const char *name, struct target *out, struct err *e);

enum container_fit { CONTAINER_FITS_NOT, CONTAINER_FITS_PART, CONTAINER_FITS_WHOLE };
enum container_fit container_fits(const struct container *c, const char *name);

/* Parsers of what the runtimes wrote, separate for the tests. 0 or -errno. */
#define MACHINE_UNIT_LEN 256
int machine_parse(const char *text, struct container *c, char unit[MACHINE_UNIT_LEN]);
bool machine_name_of_args(const char *args, size_t len, char *out, size_t size);
int docker_state_parse(const json_t *config, const char *id, struct container *c);
int podman_parse_conmon(const char *args, size_t len, struct container *c, uid_t uid);
int podman_parse_item(const json_t *item, struct container *c, uid_t owner);
bool podman_toml_string(const char *text, const char *key, char *out, size_t size);
bool cri_name(const json_t *config, struct container *c);

/* Points out at a process: pid, path and files_root. */
void target_set_pid(struct target *out, pid_t pid);

/*
 * Of the names offered one by one, keeps the one nearest to what was typed, if
 * it is near enough to be a slip of the fingers.
 */
struct target_guess {
	const char *typed;
	char best[TARGET_NAME_LEN]; /* empty if none */
	unsigned int distance, limit;
};

void target_guess_init(struct target_guess *g, const char *typed);
void target_guess_offer(struct target_guess *g, const char *name);

/* Offers the names that `ip netns` knows. */
void target_netns_guess(struct target_guess *g);

#endif
